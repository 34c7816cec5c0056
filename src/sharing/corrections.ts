import { AppError } from '../errors.ts'
import {
  correctionAnswers,
  correctionKinds,
  type CorrectionAnswer,
  type CorrectionKind,
} from '../feeds/correction-life.ts'
import type { Dataset } from '../feeds/datasets.ts'
import type { Clocks } from '../feeds/jurisdiction.ts'
import { addWorkingDays } from '../feeds/working-days.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { open, seal } from '../security/seal.ts'
import { actorOf, type Account } from '../store/accounts.ts'
import { agreementName, findAgreement, type Agreement } from '../store/agreements.ts'
import {
  findCorrection,
  findReferenced,
  insertCorrection,
  readEvidence,
  type Correction,
  type NewCorrection,
} from '../store/corrections.ts'
import { closeCorrection, syncCorrections, takeStep } from '../store/correction-steps.ts'
import type { Database, Transaction } from '../store/database.ts'
import { findNamedRecords, type NamedRecord } from '../store/disputed-records.ts'
import { assertEvidenceTime } from './evidence-time.ts'
import { datasetOfAgreement } from './pull.ts'
import { selectionOf } from './share.ts'

export interface CorrectionContext {
  readonly database: Database
  readonly keys: KeyRing
  readonly datasets: ReadonlyMap<string, Dataset>
  readonly clocks: Clocks
}

/** A system that was recognised. */
export interface Reporter {
  readonly consumerId: number
  readonly name: string
}

/** What a consumer reports. */
export interface CorrectionReport {
  readonly dataset: string
  readonly id: string
  readonly version: number
  readonly kind: CorrectionKind
  readonly field: string | null
  readonly observed: string | null
  readonly note: string | null
  readonly evidenceAt: Date
  readonly reference: string
}

/** What was observed, in clear, for the department of the record. */
export interface Evidence {
  readonly observed: string | null
  readonly note: string | null
}

const boundOf = (consumer: string, reference: string): string => `correction|${consumer}|${reference}`

/** Equal exactly where the report is. Keyed, because what was observed is personal. */
function contentOf(report: CorrectionReport, keys: KeyRing): string {
  const { dataset, id, version, kind, field, observed, note, evidenceAt } = report
  const parts = [dataset, id, version, kind, field, observed, note, evidenceAt.getTime()]
  return keys.token('digest', `correction|${JSON.stringify(parts)}`)
}

/** The first ticket of a reference; null where it is new. Throws CORRECTION_CONFLICT where it was of something else. */
async function findFirst(
  { database, keys }: CorrectionContext,
  { consumerId }: Reporter,
  report: CorrectionReport,
): Promise<Correction | null> {
  const first = await findReferenced(database.query, consumerId, report.reference)
  if (first === null) return null
  if (first.content !== contentOf(report, keys))
    throw new AppError('CORRECTION_CONFLICT', `correction ${first.correctionId} has this reference; give another one`)
  return findCorrection(database.query, first.correctionId)
}

/** A field that is not granted and one that does not exist are the same to the consumer. */
function assertDisputable({ forms }: Agreement, { kind, field }: CorrectionReport): void {
  if (field === null) {
    if (correctionKinds[kind].needsField)
      throw new AppError('CORRECTION_INVALID', `body/field: wanted for the kind ${kind}`)
    return
  }
  const form = Object.hasOwn(forms, field) ? forms[field] : undefined
  if (form === undefined || form === 'omit')
    throw new AppError('CORRECTION_INVALID', 'body/field: the agreement grants no such field')
}

/** Lower comes first: the department with the authority over the field (一数一源), then the newer word. */
function rankOf({ department }: NamedRecord, authority: readonly string[]): number {
  const place = authority.indexOf(department)
  return place < 0 ? authority.length : place
}

/** The one record that a correction is about: of a merged person, the member that is believed about the field. */
function chooseRecord(
  records: readonly NamedRecord[],
  datasets: CorrectionContext['datasets'],
  { dataset, field }: CorrectionReport,
): NamedRecord | undefined {
  const group = datasets.get(dataset)?.merge?.find(({ fields }) => field !== null && fields.includes(field))
  const tells = ({ dataset: name }: NamedRecord): boolean =>
    datasets.get(name)?.parts?.some((part) => part.field === field) ?? false
  const telling = group === undefined ? records : records.filter(tells)
  const authority = group?.authority ?? []
  const ageOf = ({ updatedAt }: NamedRecord): number => updatedAt?.getTime() ?? 0
  return (telling.length === 0 ? records : telling).toSorted(
    (one, other) => rankOf(one, authority) - rankOf(other, authority) || ageOf(other) - ageOf(one),
  )[0]
}

async function findDisputed(
  { database, datasets }: CorrectionContext,
  agreement: Agreement,
  report: CorrectionReport,
): Promise<NamedRecord> {
  const selection = selectionOf(agreement, datasetOfAgreement({ datasets }, agreement))
  const records = await findNamedRecords(database.query, selection, [report.id])
  const record = chooseRecord(records, datasets, report)
  if (record === undefined) throw new AppError('RECORD_UNKNOWN')
  if (report.version > record.version)
    throw new AppError('CORRECTION_INVALID', 'body/version: the record has no such version yet')
  return record
}

/** Keeps the report as a ticket. Null: another request was first with this reference. */
async function keepCorrection(
  { query, audit }: Transaction,
  { name }: Reporter,
  agreement: Agreement,
  correction: NewCorrection & { readonly feed: string },
): Promise<Correction | null> {
  const correctionId = await insertCorrection(query, correction)
  if (correctionId === null) return null
  await audit({
    type: 'correction.raised',
    actor: `consumer:${name}`,
    outcome: 'ok',
    feed: correction.feed,
    dataset: agreement.dataset,
    agreement: correction.agreement,
    purpose: agreement.purpose,
    object: `correction/${correctionId}`,
    details: { kind: correction.kind, field: correction.field, due: correction.dueAt.toISOString() },
  })
  return findCorrection(query, correctionId)
}

function makeCorrection(
  { keys, clocks }: CorrectionContext,
  { consumerId, name }: Reporter,
  agreement: Agreement,
  report: CorrectionReport,
  record: NamedRecord,
): NewCorrection & { readonly feed: string } {
  const { kind, field, observed, note, evidenceAt, reference } = report
  const { due, isAssumed } = addWorkingDays(new Date(), clocks.correctionDays)
  const evidence = JSON.stringify({ observed, note } satisfies Evidence)
  return {
    consumerId,
    agreement: agreementName(agreement),
    datasetId: agreement.datasetId,
    id: report.id,
    seenVersion: report.version,
    feed: record.feed,
    feedId: record.feedId,
    recordId: record.recordId,
    raisedVersion: record.recordVersion,
    kind,
    field,
    evidence: observed === null && note === null ? null : seal(keys.sealing, boundOf(name, reference), evidence),
    evidenceAt,
    reference,
    content: contentOf(report, keys),
    dueAt: due,
    dueAssumed: isAssumed,
  }
}

/**
 * Takes a report under the consumer's agreement. The department of the record's feed has `clocks.correctionDays` working days to
 * answer. The same reference again gives the first ticket. Throws CORRECTION_CONFLICT, CORRECTION_INVALID, RECORD_UNKNOWN, and what
 * `findAgreement` throws.
 */
export async function raiseCorrection(
  context: CorrectionContext,
  reporter: Reporter,
  report: CorrectionReport,
): Promise<Correction> {
  const first = await findFirst(context, reporter, report)
  if (first !== null) return first
  assertEvidenceTime(report.evidenceAt)
  const agreement = await findAgreement(context.database.query, reporter.consumerId, report.dataset)
  assertDisputable(agreement, report)
  const record = await findDisputed(context, agreement, report)
  const correction = makeCorrection(context, reporter, agreement, report, record)
  const kept = await context.database.transaction((transaction) =>
    keepCorrection(transaction, reporter, agreement, correction),
  )
  const ticket = kept ?? (await findFirst(context, reporter, report))
  if (ticket === null) throw new AppError('INTERNAL', 'the correction was not kept')
  return ticket
}

/** What a department answers. */
export interface CorrectionReply {
  readonly answer: CorrectionAnswer
  readonly reason: string | null
  /** For `fix`: the version of the record that holds the fix, where it has come in already; null: the next one will. */
  readonly version: number | null
}

function assertReply({ answer, reason, version }: CorrectionReply, correction: Correction): void {
  if (correctionAnswers[answer].needsReason && (reason === null || reason.trim() === ''))
    throw new AppError('REQUEST_INVALID', 'body/reason wanted')
  if (version === null) return
  const { seenVersion, raisedVersion, recordVersion, feed, id } = correction
  // The versions of a merged person are not those of its members.
  const least = id.startsWith(`${feed}/`) ? seenVersion : raisedVersion
  if (answer !== 'fix' || version <= least || version > recordVersion)
    throw new AppError(
      'CORRECTION_INVALID',
      `body/version: wanted with fix alone, after ${least} and up to ${recordVersion}; leave it out where the fix has not come in`,
    )
}

/**
 * Answers a correction for the department of its record; one whose fix has come in already is synced at once. Throws
 * CORRECTION_UNKNOWN also for one of another feed, CORRECTION_STATE, CORRECTION_INVALID, REQUEST_INVALID.
 */
export async function answerCorrection(
  { database }: Pick<CorrectionContext, 'database'>,
  account: Account,
  { feedId, correctionId }: { readonly feedId: number; readonly correctionId: number },
  reply: CorrectionReply,
): Promise<Correction> {
  return database.transaction(async (transaction) => {
    const correction = await findCorrection(transaction.query, correctionId)
    if (correction.feedId !== feedId) throw new AppError('CORRECTION_UNKNOWN', `correction ${correctionId}`)
    assertReply(reply, correction)
    const { from, to } = correctionAnswers[reply.answer]
    await takeStep(transaction, correctionId, {
      from: [from],
      to,
      actor: actorOf(account),
      reason: reply.reason,
      answeredBy: account.accountId,
      fixedAfter: reply.version === null ? null : reply.version - 1,
    })
    if (to === 'source-fixed') await syncCorrections(transaction, feedId)
    return findCorrection(transaction.query, correctionId)
  })
}

/** Closes a correction of the consumer's own that ended. Throws CORRECTION_UNKNOWN also for another consumer's, CORRECTION_STATE. */
export async function closeOwnCorrection(
  { database }: Pick<CorrectionContext, 'database'>,
  { consumerId, name }: Reporter,
  correctionId: number,
): Promise<Correction> {
  return database.transaction(async (transaction) => {
    const correction = await findCorrection(transaction.query, correctionId)
    if (correction.consumerId !== consumerId) throw new AppError('CORRECTION_UNKNOWN', `correction ${correctionId}`)
    return closeCorrection(transaction, correctionId, `consumer:${name}`)
  })
}

/** What was observed, by correction. Throws SEAL_BROKEN, KEY_UNAVAILABLE. */
export async function openEvidence(
  { database, keys }: Pick<CorrectionContext, 'database' | 'keys'>,
  corrections: readonly Correction[],
): Promise<ReadonlyMap<number, Evidence>> {
  const sealed = await readEvidence(
    database.query,
    corrections.map(({ correctionId }) => correctionId),
  )
  return new Map(
    corrections.flatMap(({ correctionId, consumer, reference }) => {
      const evidence = sealed.get(correctionId)
      if (evidence === undefined) return []
      const clear = open(keys.sealKey, boundOf(consumer, reference), evidence)
      return [[correctionId, JSON.parse(clear) as Evidence] as const]
    }),
  )
}
