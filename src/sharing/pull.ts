import { hash } from 'node:crypto'
import type { AuditEvent } from '../audit/events.ts'
import { AppError } from '../errors.ts'
import type { Dataset } from '../feeds/datasets.ts'
import type { SharedJson } from '../record.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { countUse, type FeedShare } from '../store/agreement-use.ts'
import { agreementName, type Agreement } from '../store/agreements.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { readChanges, readHorizon, type Change, type ChangePlace, type Selection } from '../store/changes.ts'
import type { Database, Query } from '../store/database.ts'
import { hasChangesBetween, isPlaceKept, readNewest } from '../store/tombstones.ts'
import { encodeCursor, type FeedPlace } from './cursors.ts'
import { selectionOf, shareJson } from './share.ts'

/** What leaves: the very bytes whose digest is in the audit entry. */
export interface Answer {
  /** JSON in UTF-8; null: the caller holds these bytes already. */
  readonly body: Buffer | null
  /** Entity tag (RFC 9110 §8.8.3), weak because the bytes may be compressed on the way. */
  readonly tag: string
}

export interface PulledPage {
  /** Opaque; give it back to go on from here. */
  readonly cursor: string
  readonly hasMore: boolean
  readonly answer: Answer
}

/** What answers are made with. */
export interface SharingContext {
  readonly database: Database
  readonly datasets: ReadonlyMap<string, Dataset>
  readonly keys: KeyRing
  readonly auditDeadlineMs: number
}

export interface PullRequest {
  readonly agreement: Agreement
  readonly after: FeedPlace
  readonly limit: number
  /** Entity tags that the caller holds, as If-None-Match lists them. */
  readonly heldTags?: string | undefined
}

/** The dataset of an agreement. Throws AGREEMENT_MISSING where this version of the product no longer has it. */
export function datasetOfAgreement(
  { datasets }: Pick<SharingContext, 'datasets'>,
  { dataset: name }: Agreement,
): Dataset {
  const dataset = datasets.get(name)
  if (dataset === undefined) throw new AppError('AGREEMENT_MISSING', `there is no dataset ${name} any more`)
  return dataset
}

/** How much of each feed is in these changes. A tombstone tells of a record and of nobody. */
export function sharesOf(changes: readonly Change[]): readonly FeedShare[] {
  const shares = new Map<string, { feed: string; records: number; persons: number }>()
  for (const { feed, subject } of changes) {
    const share = shares.get(feed) ?? { feed, records: 0, persons: 0 }
    share.records += 1
    if (subject !== null) share.persons += 1
    shares.set(feed, share)
  }
  return [...shares.values()]
}

/** Throws QUERY_ONLY for an agreement under which nothing may be copied. */
export function assertMayCopy({ method, dataset }: Agreement): void {
  if (method === 'query') throw new AppError('QUERY_ONLY', dataset)
}

/** Throws CURSOR_EXPIRED where tombstones behind the place are gone, or where the database is one that never was so far. */
async function assertPlaceKept(query: Query, { datasetId }: Agreement, place: FeedPlace): Promise<void> {
  if (place.tx === '0') return
  if (!(await isPlaceKept(query, datasetId, place)))
    throw new AppError('CURSOR_EXPIRED', 'what was deleted since is no longer kept, or the database was restored')
}

interface FoundChanges {
  readonly changes: readonly Change[]
  /** Where reading goes on if nothing was found. */
  readonly next: ChangePlace
}

/**
 * The next changes. Where nothing of an area changed though something did elsewhere, reading goes on at the horizon, so that what
 * lies elsewhere is not looked at again.
 */
async function findChanges(
  query: Query,
  selection: Selection,
  after: ChangePlace,
  most: number,
): Promise<FoundChanges> {
  const changes = await readChanges(query, selection, after, most)
  if (changes.length > 0 || selection.area === null) return { changes, next: after }
  const horizon = await readHorizon(query)
  if (!(await hasChangesBetween(query, selection.datasetId, after, horizon))) return { changes, next: after }
  // What was committed between the two looks lies before the horizon and must not be passed by.
  return { changes: await readChanges(query, selection, after, most), next: horizon }
}

/**
 * The changes after a place, as the agreement grants them. The audit entry is committed before this returns; when it cannot
 * be within the deadline, nothing is answered: AUDIT_UNAVAILABLE (503). Throws CURSOR_EXPIRED, QUERY_ONLY, QUOTA_SPENT.
 */
export async function pullChanges(context: SharingContext, request: PullRequest): Promise<PulledPage> {
  const { database, keys } = context
  const { agreement, after, limit, heldTags } = request
  assertMayCopy(agreement)
  const dataset = datasetOfAgreement(context, agreement)
  const since = after.since ?? (after.tx === '0' ? await readNewest(database.query, agreement.datasetId) : undefined)
  const found = await findChanges(database.query, selectionOf(agreement, dataset), after, limit + 1)
  const changes = found.changes.slice(0, limit)
  const shared = shareJson(changes, agreement, { dataset, keys, today: new Date() })
  const { tx, seq } = changes.at(-1) ?? found.next
  const cursor = encodeCursor(agreement.version, { tx, seq, since })
  const page = { cursor, hasMore: found.changes.length > limit }
  const outgoing = {
    type: 'changes.pulled',
    place: after,
    changes,
    count: shared.length,
    body: pageBody(shared, page),
    heldTags,
  } as const
  return { ...page, answer: await answerShared(context, agreement, outgoing) }
}

/** Written into again and again: nobody need count the bytes of an answer before they are written, which takes as long as writing. */
let draft = Buffer.allocUnsafe(2 ** 20)
/** A UTF-16 unit takes three bytes of UTF-8 at most. */
const UNIT_BYTES = 3

/** The pieces as one run of UTF-8. */
export function utf8Of(pieces: readonly string[]): Buffer {
  let end = 0
  for (const piece of pieces) {
    const most = end + UNIT_BYTES * piece.length
    if (most > draft.length) draft = Buffer.concat([draft.subarray(0, end)], 2 * most)
    end += draft.write(piece, end)
  }
  return Buffer.from(draft.subarray(0, end))
}

/** The items of a JSON array, without its brackets. */
export function listOf(records: readonly SharedJson[]): readonly string[] {
  const pieces: string[] = []
  for (const { json } of records) {
    if (pieces.length > 0) pieces.push(',')
    pieces.push(...json)
  }
  return pieces
}

/** An answer of changes, and what tells how to go on. */
export const pageBody = (changes: readonly SharedJson[], way: object): Buffer =>
  utf8Of(['{"changes":[', ...listOf(changes), `],${JSON.stringify(way).slice(1)}`])

/** What is about to leave. */
export interface Outgoing extends Pick<AuditEvent, 'type' | 'object' | 'details'> {
  readonly changes: readonly Change[]
  readonly count: number
  readonly body: Buffer
  readonly heldTags?: string | undefined
  /** What was read lies behind this place of the feed, or the feed has to lead on from it. */
  readonly place?: FeedPlace
  /** The person that was asked about, by the token that records hold: told of also where nothing was found. */
  readonly asked?: string
  /** How much of each feed counts as used, where that is not what `changes` say. */
  readonly shares?: readonly FeedShare[]
}

const tagOf = (agreement: Agreement, digest: string): string =>
  `W/"${hash('sha256', `${agreementName(agreement)}|${digest}`).slice(0, 32)}"`

/** The weak comparison of RFC 9110 §13.1.2: `*` is any tag. */
const holdsTag = (held: string | undefined, tag: string): boolean =>
  held !== undefined &&
  held.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^(?!W\/)/, 'W/') === tag)

/**
 * Commits use and audit entry before anything leaves. Where the caller holds the same bytes already it is told so, which is written down
 * as well and uses nothing up. Throws AUDIT_UNAVAILABLE, CURSOR_EXPIRED, QUOTA_SPENT, FROZEN.
 */
export async function answerShared(
  { database, keys, auditDeadlineMs }: SharingContext,
  agreement: Agreement,
  outgoing: Outgoing,
): Promise<Answer> {
  const {
    type,
    changes,
    count,
    body,
    heldTags,
    shares = sharesOf(changes),
    place,
    object,
    details,
    asked = null,
  } = outgoing
  const outputDigest = hash('sha256', body)
  const tag = tagOf(agreement, outputDigest)
  const isHeld = holdsTag(heldTags, tag)
  const subjects = isHeld ? null : keys.personTokens([asked, ...changes.map(({ subject }) => subject)])
  await auditBeforeAnswer(database, agreement.dataset, auditDeadlineMs, async ({ query, audit }) => {
    // Looked at after reading: tombstones that are not gone now were there to be read.
    if (place !== undefined) await assertPlaceKept(query, agreement, place)
    if (!isHeld) await countUse(query, agreement, shares)
    await audit({
      type: isHeld ? 'answer.unchanged' : type,
      actor: `consumer:${agreement.consumer}`,
      outcome: 'ok',
      dataset: agreement.dataset,
      agreement: agreementName(agreement),
      purpose: agreement.purpose,
      count,
      outputDigest,
      feeds: shares.map(({ feed }) => feed),
      ...(subjects === null ? {} : { subjects }),
      ...(object === undefined ? {} : { object }),
      ...(details === undefined ? {} : { details }),
    })
  })
  return { body: isHeld ? null : body, tag }
}
