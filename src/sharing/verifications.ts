import { AppError, type ErrorCode } from '../errors.ts'
import type { Dataset } from '../feeds/datasets.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { agreementName, findAgreement, type Agreement } from '../store/agreements.ts'
import { raiseAlert } from '../store/alerts.ts'
import type { Database, Query, Transaction } from '../store/database.ts'
import { findNamedRecords, type NamedRecord } from '../store/disputed-records.ts'
import {
  countRecent,
  findVerified,
  insertVerifications,
  lockVerifications,
  type NewVerification,
  type VerificationResult,
} from '../store/verifications.ts'
import type { Reporter } from './corrections.ts'
import { isEvidenceTime } from './evidence-time.ts'
import { datasetOfAgreement } from './pull.ts'
import { selectionOf } from './share.ts'

export interface VerificationContext {
  readonly database: Database
  readonly keys: KeyRing
  readonly datasets: ReadonlyMap<string, Dataset>
}

/** One result as a consumer reports it. */
export interface VerificationReport {
  readonly dataset: string
  readonly id: string
  readonly version: number
  readonly result: VerificationResult
  readonly evidenceAt: Date
  readonly reference: string
}

/** What became of one result, in the order of the reports. `code` is from the error table; null unless it was refused. */
export interface VerificationOutcome {
  readonly reference: string
  readonly outcome: 'accepted' | 'repeated' | 'refused'
  readonly code: ErrorCode | null
}

/** Luzhou Art. 17 forbids falsification: nobody verifies so many records in one moment of the same minute. */
const PLAUSIBLE_RESULTS = 30
const BURST_SECONDS = 60

const outcomeOf = (
  { reference }: VerificationReport,
  outcome: VerificationOutcome['outcome'],
  code: ErrorCode | null = null,
): VerificationOutcome => ({ reference, outcome, code })

function contentOf({ dataset, id, version, result, evidenceAt }: VerificationReport, keys: KeyRing): string {
  return keys.token('digest', `verification|${JSON.stringify([dataset, id, version, result, evidenceAt.getTime()])}`)
}

type Agreements = ReadonlyMap<string, Agreement>

/** The agreement of every dataset that is named. One that is missing refuses the whole: it is no matter of one row. */
async function findAgreements(
  query: Query,
  { consumerId }: Reporter,
  reports: readonly VerificationReport[],
): Promise<Agreements> {
  const agreements = new Map<string, Agreement>()
  for (const dataset of new Set(reports.map((report) => report.dataset)))
    agreements.set(dataset, await findAgreement(query, consumerId, dataset))
  return agreements
}

/** The records behind each report, by its place. */
async function findRecords(
  context: VerificationContext,
  query: Query,
  agreements: Agreements,
  reports: readonly VerificationReport[],
): Promise<ReadonlyMap<number, readonly NamedRecord[]>> {
  const found = new Map<number, NamedRecord[]>()
  for (const [dataset, agreement] of agreements) {
    const places = reports.flatMap((report, place) => (report.dataset === dataset ? [place] : []))
    const selection = selectionOf(agreement, datasetOfAgreement(context, agreement))
    const ids = places.map((place) => reports[place]?.id ?? '')
    for (const record of await findNamedRecords(query, selection, ids)) {
      const place = places[record.place] ?? 0
      found.set(place, [...(found.get(place) ?? []), record])
    }
  }
  return found
}

/** Why a result cannot be taken; null where it can. */
function faultOf(report: VerificationReport, records: readonly NamedRecord[]): ErrorCode | null {
  if (!isEvidenceTime(report.evidenceAt)) return 'REQUEST_INVALID'
  const [record] = records
  if (record === undefined) return 'RECORD_UNKNOWN'
  return report.version > record.version ? 'REQUEST_INVALID' : null
}

/** A result that is taken, with the records of departments that it is about. */
interface Taken {
  readonly report: VerificationReport
  readonly records: readonly NamedRecord[]
  readonly content: string
}

interface Judged {
  readonly outcomes: readonly VerificationOutcome[]
  readonly taken: readonly Taken[]
}

/** Judges every result by itself. `known`: content by reference of what was reported before; results of the batch join it. */
function judge(
  reports: readonly VerificationReport[],
  records: ReadonlyMap<number, readonly NamedRecord[]>,
  known: ReadonlyMap<string, string>,
  keys: KeyRing,
): Judged {
  const contents = new Map(known)
  const taken: Taken[] = []
  const outcomes = reports.map((report, place) => {
    const content = contentOf(report, keys)
    const before = contents.get(report.reference)
    if (before !== undefined)
      return before === content ? outcomeOf(report, 'repeated') : outcomeOf(report, 'refused', 'VERIFICATION_CONFLICT')
    const behind = records.get(place) ?? []
    const fault = faultOf(report, behind)
    if (fault !== null) return outcomeOf(report, 'refused', fault)
    contents.set(report.reference, content)
    taken.push({ report, records: behind, content })
    return outcomeOf(report, 'accepted')
  })
  return { outcomes, taken }
}

/** Evidence times, in milliseconds, that too many results of these seconds share. */
async function findImplausible(
  query: Query,
  consumerId: number,
  taken: readonly Taken[],
): Promise<ReadonlySet<number>> {
  const now = Map.groupBy(taken, ({ report }) => report.evidenceAt.getTime())
  const times = [...now.keys()].map((time) => new Date(time))
  const recent = await countRecent(query, consumerId, times, BURST_SECONDS)
  const isTooMany = ([time, results]: readonly [number, readonly Taken[]]): boolean =>
    results.length + (recent.get(time) ?? 0) > PLAUSIBLE_RESULTS
  return new Set([...now].filter(isTooMany).map(([time]) => time))
}

/** Tells every department concerned that a consumer's results are not to be believed as they are. */
async function warnOfBurst(
  transaction: Transaction,
  { name }: Reporter,
  taken: readonly Taken[],
  implausible: ReadonlySet<number>,
): Promise<void> {
  const records = taken
    .filter(({ report }) => implausible.has(report.evidenceAt.getTime()))
    .flatMap((result) => result.records)
  for (const [feedId, members] of Map.groupBy(records, (record) => record.feedId)) {
    const { feed: code = '', dataset = '' } = members[0] ?? {}
    const details = { consumer: name, results: members.length, seconds: BURST_SECONDS }
    await raiseAlert(transaction, {
      kind: 'verification-implausible',
      feed: { feedId, code, dataset },
      runId: null,
      details,
    })
  }
}

const toRows = (
  { report, records, content }: Taken,
  agreements: Agreements,
  implausible: ReadonlySet<number>,
): readonly NewVerification[] => {
  const agreement = agreements.get(report.dataset)
  return records.map(({ feedId, recordId }) => ({
    agreement: agreement === undefined ? '' : agreementName(agreement),
    feedId,
    recordId,
    id: report.id,
    version: report.version,
    result: report.result,
    evidenceAt: report.evidenceAt,
    reference: report.reference,
    content,
    implausible: implausible.has(report.evidenceAt.getTime()),
  }))
}

const countOf = (outcomes: readonly VerificationOutcome[], wanted: VerificationOutcome['outcome']): number =>
  outcomes.filter(({ outcome }) => outcome === wanted).length

async function takeResults(
  transaction: Transaction,
  context: VerificationContext,
  reporter: Reporter,
  reports: readonly VerificationReport[],
): Promise<readonly VerificationOutcome[]> {
  const { query, audit } = transaction
  const { consumerId, name } = reporter
  const agreements = await findAgreements(query, reporter, reports)
  await lockVerifications(query, consumerId)
  const references = reports.map(({ reference }) => reference)
  const known = await findVerified(query, consumerId, references)
  const records = await findRecords(context, query, agreements, reports)
  const { outcomes, taken } = judge(reports, records, known, context.keys)
  const implausible = await findImplausible(query, consumerId, taken)
  const rows = taken.flatMap((result) => toRows(result, agreements, implausible))
  await insertVerifications(query, consumerId, rows)
  await warnOfBurst(transaction, reporter, taken, implausible)
  await audit({
    type: 'verifications.received',
    actor: `consumer:${name}`,
    outcome: 'ok',
    count: taken.length,
    details: {
      repeated: countOf(outcomes, 'repeated'),
      refused: countOf(outcomes, 'refused'),
      implausible: rows.filter((row) => row.implausible).length,
    },
  })
  return outcomes
}

/**
 * Takes verification results under the consumer's agreements, each by itself: one that is refused says why and holds up no other, and
 * the same reference again is taken once. A result about a merged person goes to every department behind it. Throws what
 * `findAgreement` throws where a dataset is named that no agreement grants.
 */
export async function receiveVerifications(
  context: VerificationContext,
  reporter: Reporter,
  reports: readonly VerificationReport[],
): Promise<readonly VerificationOutcome[]> {
  if (reports.length === 0) throw new AppError('REQUEST_INVALID', 'body/verifications: wanted at least one')
  return context.database.transaction((transaction) => takeResults(transaction, context, reporter, reports))
}
