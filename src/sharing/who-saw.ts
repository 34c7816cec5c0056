import { leafHash } from '../audit/entry.ts'
import type { AuditEvent } from '../audit/events.ts'
import type { ReadNode } from '../audit/merkle.ts'
import { namesSubject } from '../audit/subjects.ts'
import { inclusionPath, nodeReader, rememberNodes, tilesOfProofs } from '../audit/tiles.ts'
import { readCertificate, subjectName } from '../feeds/certificate.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { raiseObjectAlert } from '../store/alerts.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { readTiles, readTreeSizes } from '../store/audit-tree.ts'
import { readNewest } from '../store/checkpoints.ts'
import type { Database } from '../store/database.ts'
import { readPostings } from '../store/person-index.ts'
import {
  findWaiting,
  readSightings,
  scanPlaces,
  searchEntries,
  type LogFilter,
  type LoggedEntry,
} from '../store/sightings.ts'
import type { AskedPerson } from './records.ts'

export interface LogSearch {
  /** Null: entries of whomever they tell. */
  readonly person: AskedPerson | null
  readonly filter: LogFilter
  /** Place in the tree of the last entry of the page before; null: from the newest. */
  readonly before: number | null
  readonly limit: number
}

/** That an entry is in the log as it was signed. */
export interface InclusionProof {
  readonly leafIndex: number
  readonly leafHash: Buffer
  /** RFC 6962 §2.1.1, from the leaf up, in the tree of the checkpoint of the page. */
  readonly path: readonly Buffer[]
}

export interface FoundEntry extends LoggedEntry {
  /** Null: no checkpoint covers it yet. */
  readonly proof: InclusionProof | null
}

export interface FoundPage {
  /** The newest first. */
  readonly entries: readonly FoundEntry[]
  /** The signed note that the proofs lead to; null: nothing is signed. */
  readonly checkpoint: { readonly size: number; readonly note: string } | null
  /** Where the next page begins; null: there is none. */
  readonly before: number | null
}

export interface LogContext {
  readonly database: Database
  readonly keys: KeyRing
  readonly auditDeadlineMs: number
}

/** The token by which the log names a person, from a certificate as somebody wrote it. Neither is kept anywhere. */
export function tokenOf(keys: KeyRing, { certType, certNumber }: AskedPerson): Buffer {
  return keys.personTokens([keys.token('subject', subjectName(readCertificate(certType, certNumber)))])
}

const PREFIX_BYTES = 6
const POSTING_BYTES = PREFIX_BYTES + 8

/** The places that postings lead to for the token; a few may be of other persons. */
function placesIn(postings: Buffer, token: Buffer): readonly number[] {
  const wanted = token.readUIntBE(2, PREFIX_BYTES)
  const places: number[] = []
  for (let at = 0; at < postings.length; at += POSTING_BYTES)
    if (postings.readUIntBE(at, PREFIX_BYTES) === wanted)
      places.push(Number(postings.readBigInt64BE(at + PREFIX_BYTES)))
  return places
}

/** Places read at a time where the index is not asked. */
const SCANNED = 100_000

async function* scan({ database }: LogContext, token: Buffer, before: number): AsyncGenerator<readonly number[]> {
  for (let end = before; end > 0; end -= SCANNED)
    yield await scanPlaces(database.query, token, Math.max(0, end - SCANNED), end)
}

/** Where a person may have been seen before a place, the newest first. A bucket that is not whole is not believed: all manifests are read. */
async function* placesOf(
  context: LogContext,
  token: Buffer,
  before: number,
  waiting: readonly number[],
): AsyncGenerator<readonly number[]> {
  const { postings, isWhole } = await readPostings(context.database.query, Math.floor(token.readUInt16BE(0) / 16))
  if (isWhole) {
    const places = new Set([...waiting, ...placesIn(postings, token)].filter((place) => place < before))
    yield [...places].toSorted((one, other) => other - one)
    return
  }
  const alert = { kind: 'audit-index-broken', object: 'audit/index', department: null, details: {} } as const
  await context.database.transaction((transaction) => raiseObjectAlert(transaction, alert))
  yield* scan(context, token, before)
}

/** What a body says, as far as it is looked for by. */
export type LoggedEvent = AuditEvent & { readonly recordedAt: string }

export const eventOf = ({ body }: LoggedEntry): LoggedEvent => JSON.parse(body.toString('utf8')) as LoggedEvent

/** Whether an entry fits the filter, as `searchEntries` would judge. */
function fits(entry: LoggedEntry, { from, to, department, ...same }: LogFilter): boolean {
  const event = eventOf(entry)
  const at = new Date(event.recordedAt)
  if ((from !== undefined && at < from) || (to !== undefined && at >= to)) return false
  if (department !== undefined && entry.department !== department) return false
  return Object.entries(same).every(
    ([name, value]) => value === undefined || event[name as keyof typeof same] === value,
  )
}

/** Entries that name the token before a place, at most `limit` of those that have their places in the tree, and one more where there are more. */
async function findSightings(context: LogContext, token: Buffer, search: LogSearch): Promise<readonly LoggedEntry[]> {
  const { query } = context.database
  const { filter, limit } = search
  // Looked at before the index: what is written into the index meanwhile is seen twice, and nothing not at all.
  const waiting = (await findWaiting(query, token)).filter(({ subjects }) => namesSubject(subjects, token))
  const unplaced = search.before === null ? waiting.filter(({ leafIndex }) => leafIndex === null) : []
  const before = search.before ?? (await readTreeSizes(query)).get('sha256') ?? 0
  const placed = waiting.flatMap(({ leafIndex }) => (leafIndex === null ? [] : [leafIndex]))
  const found: LoggedEntry[] = unplaced.filter((one) => fits(one, filter))
  const most = found.length + limit + 1
  for await (const places of placesOf(context, token, before, placed)) {
    for (let at = 0; at < places.length && found.length < most; at += limit + 1) {
      const seen = await readSightings(query, places.slice(at, at + limit + 1))
      found.push(...seen.filter((one) => namesSubject(one.subjects, token) && fits(one, filter)))
    }
    if (found.length >= most) break
  }
  return found.slice(0, most)
}

/** Proofs of entries against the newest checkpoint. */
async function proveAll(
  { database }: LogContext,
  entries: readonly LoggedEntry[],
): Promise<Pick<FoundPage, 'entries' | 'checkpoint'>> {
  const { query } = database
  const checkpoint = await readNewest(query, 'sha256', '')
  const size = checkpoint?.size ?? 0
  const signed = entries.flatMap(({ leafIndex }) => (leafIndex !== null && leafIndex < size ? [leafIndex] : []))
  const tiles = await readTiles(query, tilesOfProofs(signed, size))
  const read: ReadNode = rememberNodes(nodeReader(tiles))
  const prove = ({ leafIndex, body }: LoggedEntry): InclusionProof | null =>
    leafIndex === null || leafIndex >= size
      ? null
      : { leafIndex, leafHash: leafHash(body), path: inclusionPath(leafIndex, size, read) }
  return {
    entries: entries.map(({ leafIndex, body, department }) => {
      const entry = { leafIndex, body, department }
      return { ...entry, proof: prove(entry) }
    }),
    checkpoint: checkpoint === null ? null : { size, note: checkpoint.note },
  }
}

interface Cut {
  readonly page: readonly LoggedEntry[]
  /** Where the next page begins. */
  readonly before: number | null
}

const timeOf = (entry: LoggedEntry): string => eventOf(entry).recordedAt

/**
 * A page of what was found, of which there may be one more. Pages follow one another by the places in the tree, which gives those of a moment
 * out lane by lane; within a page the newest is first by the clock.
 */
function cutAt(found: readonly LoggedEntry[], limit: number): Cut {
  const unplaced = found.filter(({ leafIndex }) => leafIndex === null).length
  const page = found.slice(0, unplaced + limit)
  return {
    page: page.toSorted((one, other) => (timeOf(one) < timeOf(other) ? 1 : -1)),
    before: found.length > page.length ? (page.at(-1)?.leafIndex ?? null) : null,
  }
}

/** The entries of a person, or of everybody, without telling anybody that they were looked for. */
async function find(context: LogContext, token: Buffer | null, search: LogSearch): Promise<FoundPage> {
  const { filter, before, limit } = search
  const { query } = context.database
  const found =
    token === null
      ? await searchEntries(query, filter, before ?? Number.MAX_SAFE_INTEGER, limit + 1)
      : await findSightings(context, token, search)
  const { page, before: next } = cutAt(found, limit)
  return { ...(await proveAll(context, page)), before: next }
}

/** Named apart from what an entry tells of itself, or a search by department would find the searches. */
const detailsOf = ({ from, to, ...same }: LogFilter): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(Object.entries(same).map(([name, value]) => [`of-${name}`, value])),
  ...(from === undefined ? {} : { from: from.toISOString() }),
  ...(to === undefined ? {} : { to: to.toISOString() }),
})

/** Writes down that somebody looks; of a person by token, so that the look is found itself. Throws AUDIT_UNAVAILABLE. */
async function auditLook(
  { database, auditDeadlineMs }: LogContext,
  type: 'audit.searched' | 'audit.reported',
  actor: string,
  token: Buffer | null,
  filter: LogFilter,
): Promise<void> {
  const person = token === null ? {} : { object: `person/${token.toString('hex')}`, subjects: token }
  await auditBeforeAnswer(database, type, auditDeadlineMs, ({ audit }) =>
    audit({ type, actor, outcome: 'ok', ...person, details: detailsOf(filter) }),
  )
}

/**
 * Entries that fit, the newest first, each with the proof that it is in the signed log. That somebody looks is committed before anything is
 * answered. Of a person, every entry is found whose manifest names it; an index that is damaged makes that slower and not less true.
 * Throws AUDIT_UNAVAILABLE.
 */
export async function searchLog(context: LogContext, actor: string, search: LogSearch): Promise<FoundPage> {
  const token = search.person === null ? null : tokenOf(context.keys, search.person)
  await auditLook(context, 'audit.searched', actor, token, search.filter)
  return find(context, token, search)
}

/** Entries of one report: who saw a person in 36 months, where ten saw it on every day. */
const MOST_REPORTED = 10_000
const REPORTED_AT_ONCE = 500

/** The whole answer to a person who asks who saw it (PIPL Art. 44 and 45). `before` is not null where there are more than 10,000 entries. */
export async function reportPerson(
  context: LogContext,
  actor: string,
  search: Omit<LogSearch, 'limit'> & { readonly person: AskedPerson },
): Promise<FoundPage> {
  const token = tokenOf(context.keys, search.person)
  await auditLook(context, 'audit.reported', actor, token, search.filter)
  const entries: LoggedEntry[] = []
  let { before } = search
  do {
    const found = await findSightings(context, token, { ...search, before, limit: REPORTED_AT_ONCE })
    const cut = cutAt(found, REPORTED_AT_ONCE)
    entries.push(...cut.page)
    before = cut.before
  } while (before !== null && entries.length < MOST_REPORTED)
  return { ...(await proveAll(context, entries)), before }
}
