import { AppError, toAppError, type ErrorCode } from '../errors.ts'
import { classFieldsOf } from '../feeds/reidentification.ts'
import { countUse } from '../store/agreement-use.ts'
import { agreementName, findAgreement, type Agreement } from '../store/agreements.ts'
import { countLiving, readHorizon } from '../store/changes.ts'
import type { Transaction } from '../store/database.ts'
import { addToClasses, findSmallClasses, measureClasses } from '../store/export-classes.ts'
import { deleteDraft, findDraft, insertDraft, insertPart } from '../store/export-parts.ts'
import {
  advanceParts,
  advanceRead,
  claimExport,
  endExport,
  findWork,
  finishExport,
  fixPlace,
  keepCount,
  keepExport,
  keepVerdict,
  postponeExport,
  releaseExport,
  type ExportLease,
  type ExportWork,
} from '../store/export-work.ts'
import { makeDraft, openDraft } from './export-draft.ts'
import { makePart, readLines, sharesOfLines, type FileLine, type Reading } from './export-part.ts'
import { assertMayCopy, datasetOfAgreement, type SharingContext } from './pull.ts'
import { selectionOf } from './share.ts'

/** What an installation has decided about exports; see docs/operations.md. */
export interface ExportRules {
  /** Exports with more persons wait for two people to agree. */
  readonly persons: number
  /** Hours that the files are kept. */
  readonly hours: number
  /** How many people at least have to look alike. */
  readonly k: number
}

export interface ExportContext extends SharingContext {
  readonly exportRules: ExportRules
  /** Records of one file at most: a consumer that loses one asks for no more than that again. */
  readonly partRecords: number
  /** When this time slice should end, in milliseconds since the epoch. The part in hand is always finished. */
  readonly sliceEndsAt: number
}

/** One step in one transaction: a crash repeats it, and never skips or doubles one. False: there is nothing more to do now. */
type Step = (context: ExportContext, work: ExportWork, agreement: Agreement) => Promise<boolean>

/** The agreement that the export was asked for under. Throws EXPORT_OUTDATED where it has another version now, and as `findAgreement`. */
export async function findAgreementOfExport(
  { database }: SharingContext,
  work: Pick<ExportWork, 'consumerId' | 'dataset' | 'agreementId' | 'agreementVersion'>,
): Promise<Agreement> {
  const agreement = await findAgreement(database.query, work.consumerId, work.dataset)
  assertMayCopy(agreement)
  if (agreement.agreementId !== work.agreementId || agreement.version !== work.agreementVersion)
    throw new AppError('EXPORT_OUTDATED', `it was version ${work.agreementVersion}; ask for a new export`)
  return agreement
}

const factOf = (work: Pick<ExportWork, 'exportId'>, agreement: Agreement) =>
  ({
    actor: 'system:worker',
    dataset: agreement.dataset,
    agreement: agreementName(agreement),
    purpose: agreement.purpose,
    object: `export/${work.exportId}`,
  }) as const

const countSelection: Step = async (context, work, agreement) => {
  const { database, exportRules } = context
  const counted = await countLiving(database.query, selectionOf(agreement, datasetOfAgreement(context, agreement)))
  const mayGoOn = counted.persons <= exportRules.persons
  await keepCount(database.query, work, counted, mayGoOn)
  return mayGoOn
}

/** Fixes what holds for all of the export, before anything of it is read. */
const begin: Step = async (context, work, agreement) => {
  const { query } = context.database
  const classFields = classFieldsOf(datasetOfAgreement(context, agreement), agreement.forms)
  await fixPlace(query, work, await readHorizon(query), classFields === null ? null : context.exportRules.k)
  return true
}

const readNext: Step = async (context, work, agreement) => {
  const { place, transactionTime, k } = work
  if (place === null || transactionTime === null) return begin(context, work, agreement)
  const { database, keys, partRecords } = context
  const dataset = datasetOfAgreement(context, agreement)
  const classFields = classFieldsOf(dataset, agreement.forms) ?? []
  const plan = { agreement, dataset, keys, today: transactionTime, classFields, end: place, partRecords }
  const reading = await readLines(database.query, plan, work.cursor)
  if (reading.read === 0) return k === null ? finish(context, work, agreement) : judge(context, work, agreement)
  if (k === null) await savePart(context, work, agreement, reading)
  else await saveDraft(context, work, reading, k)
  return true
}

async function savePart(
  context: ExportContext,
  work: ExportWork,
  agreement: Agreement,
  { lines, cursor, read, broken }: Reading,
): Promise<void> {
  const advance = { cursor, read, broken, named: 0, drafts: 0 }
  await publish(context, work, agreement, lines, ({ query }) => advanceRead(query, work, advance))
}

async function saveDraft(
  { database, keys }: ExportContext,
  work: ExportWork,
  { lines, cursor, read, broken }: Reading,
  k: number,
): Promise<void> {
  const { draft, members } = await makeDraft(keys, work.exportId, work.drafts + 1, lines)
  await database.transaction(async ({ query }) => {
    await advanceRead(query, work, { cursor, read, broken, named: members.count, drafts: 1 })
    await insertDraft(query, work.exportId, draft)
    await addToClasses(query, work.exportId, members, k)
  })
}

/** Makes a file of the lines: part, cursor, use and audit entry stand or fall together. */
async function publish(
  { database, keys }: ExportContext,
  work: ExportWork,
  agreement: Agreement,
  lines: readonly FileLine[],
  advance: (transaction: Transaction) => Promise<void>,
): Promise<void> {
  const part = lines.length === 0 ? null : await makePart(keys, work.exportId, work.parts + 1, lines)
  await database.transaction(async (transaction) => {
    const { query, audit } = transaction
    await advance(transaction)
    if (part === null) return
    await advanceParts(query, work, part)
    await insertPart(query, work.exportId, part)
    await countUse(query, agreement, sharesOfLines(lines))
    const fact = { ...factOf(work, agreement), object: `export/${work.exportId}/part/${part.number}` }
    const { records: count, digest: outputDigest, subjects } = part
    await audit({ ...fact, type: 'export.part-made', outcome: 'ok', count, outputDigest, subjects })
  })
}

/** Where more than half of the records that name a person would be withheld, the rest says little and the question was wrong. */
const MOST_WITHHELD = 0.5

/** Decides by the classes of everything that was read: go on with those that are large enough, or refuse. */
const judge: Step = async ({ database }, work, agreement) => {
  const k = work.k ?? 0
  const { withheld, smallestClass } = await measureClasses(database.query, work.exportId, k)
  const isRefused = withheld > work.named * MOST_WITHHELD
  await database.transaction(async ({ query, audit }) => {
    await keepVerdict(query, work, { withheld, smallestClass })
    if (!isRefused) return
    await endExport(query, work, 'refused', 'EXPORT_REIDENTIFIES')
    const details = { reason: 'EXPORT_REIDENTIFIES', k, withheld, smallestClass }
    await audit({ ...factOf(work, agreement), type: 'export.refused', outcome: 'denied', count: work.named, details })
  })
  return !isRefused
}

const publishNext: Step = async (context, work, agreement) => {
  const { database, keys } = context
  const draft = await findDraft(database.query, work.exportId)
  if (draft === null) return finish(context, work, agreement)
  const lines = await openDraft(keys, work.exportId, draft)
  const small = await findSmallClasses(database.query, work.exportId, draft.classes, work.k ?? 0)
  const kept = lines.filter((line) => line.class === null || !small.has(line.class))
  await publish(context, work, agreement, kept, ({ query }) => deleteDraft(query, work.exportId, draft.number))
  return true
}

const finish: Step = async ({ database, exportRules }, work, agreement) => {
  await database.transaction(async ({ query, audit }) => {
    await finishExport(query, work, exportRules.hours)
    const { parts, withheld, broken } = work
    const fact = { ...factOf(work, agreement), outcome: 'ok', count: work.records } as const
    await audit({ ...fact, type: 'export.ready', details: { parts, withheld, broken } })
  })
  return false
}

const steps = { count: countSelection, read: readNext, publish: publishNext } as const satisfies Record<
  ExportWork['stage'],
  Step
>

/** Tried for about an hour, as a run is; then it has failed with its reason. */
const MOST_FAILURES = 10
const LONGEST_DELAY_MS = 15 * 60_000
/** A wait that ends a little early only leads to another wait. */
const MARGIN_MS = 50

const delayAfter = (failures: number): number => {
  const longest = Math.min(LONGEST_DELAY_MS, 2000 * 2 ** failures)
  return longest / 2 + Math.random() * (longest / 2)
}

async function fail({ database }: ExportContext, lease: ExportLease, reason: ErrorCode): Promise<null> {
  const { exportId } = lease
  await database.transaction(async ({ query, audit }) => {
    const { dataset } = await findWork(query, lease)
    await endExport(query, lease, 'failed', reason)
    const fact = { actor: 'system:worker', outcome: 'failed', dataset, object: `export/${exportId}` } as const
    await audit({ ...fact, type: 'export.ended', details: { reason } })
  })
  return null
}

/** What becomes of an export whose step did not end well. Returns after how many milliseconds it is due again; null: not by itself. */
async function settle(context: ExportContext, lease: ExportLease, error: AppError): Promise<number | null> {
  const { query } = context.database
  if (error.code === 'LEASE_LOST') return null
  // The records of a day are used up: it goes on when the next one begins.
  const { retryAfterMs } = (error.cause ?? {}) as { readonly retryAfterMs?: number }
  const { failures } = await findWork(query, lease)
  if (!error.retry || failures >= MOST_FAILURES) return fail(context, lease, error.code)
  const delayMs = (retryAfterMs ?? delayAfter(failures)) + MARGIN_MS
  await postponeExport(query, lease, { reason: error.code, delayMs, isFailure: retryAfterMs === undefined })
  return delayMs
}

/** A third of the lease, so that two heartbeats may be lost. */
const HEARTBEAT_MS = 5000

async function takeSteps(context: ExportContext, lease: ExportLease): Promise<number | null> {
  const { query } = context.database
  const heartbeat = setInterval(() => void keepExport(query, lease).catch(() => undefined), HEARTBEAT_MS)
  try {
    while (Date.now() < context.sliceEndsAt) {
      const work = await findWork(query, lease)
      const agreement = await findAgreementOfExport(context, work)
      if (!(await steps[work.stage](context, work, agreement))) return null
    }
    await releaseExport(query, lease)
    return 0
  } finally {
    clearInterval(heartbeat)
  }
}

/** How a slice of an export ended, and after how many milliseconds the export is due again; null: not by itself. */
export interface ExportSlice {
  readonly outcome: 'busy' | 'idle' | 'more' | ErrorCode
  readonly epoch: number
  readonly dueInMs: number | null
}

/**
 * Works on an export, part by part, until nothing is left to do or the slice ends. It is read up to one place in commit order, so what
 * moves on meanwhile is not in it and comes by the change feed. A step that fails is tried again, or ends the export with its code.
 */
export async function workOnExport(context: ExportContext, exportId: number): Promise<ExportSlice> {
  const lease = await claimExport(context.database.query, exportId)
  if (lease === null) return { outcome: 'busy', epoch: 0, dueInMs: null }
  try {
    const dueInMs = await takeSteps(context, lease)
    return { outcome: dueInMs === null ? 'idle' : 'more', epoch: lease.epoch, dueInMs }
  } catch (error) {
    const coded = toAppError(error)
    const dueInMs = await settle(context, lease, coded).catch((failure: unknown) => {
      if (toAppError(failure).code === 'LEASE_LOST') return null
      throw failure
    })
    return { outcome: coded.code, epoch: lease.epoch, dueInMs }
  }
}
