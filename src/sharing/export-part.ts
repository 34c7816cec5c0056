import { hash } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { toAppError } from '../errors.ts'
import type { Dataset } from '../feeds/datasets.ts'
import type { SharedRecord } from '../record.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { sealBytes } from '../security/seal.ts'
import type { FeedShare } from '../store/agreement-use.ts'
import type { Agreement } from '../store/agreements.ts'
import { readLiving, type Change, type ChangePlace } from '../store/changes.ts'
import type { Query } from '../store/database.ts'
import type { StoredPart } from '../store/export-parts.ts'
import { selectionOf, share } from './share.ts'

/** A file holds about so much text, whatever the size of its records: it is in memory while it is made. */
const PART_BYTES = 8 * 1024 * 1024
/** Rows of one statement: some two megabytes on their way from the database. */
const READ_AT_ONCE = 2000

/** One record as a line of a file. */
export interface FileLine {
  readonly text: string
  readonly feed: string
  /** Token of the person that the record names; null: of nobody. */
  readonly subject: string | null
}

/** A line as it was read. */
export interface Line extends FileLine {
  /** The fields that its class is made of, as they leave. */
  readonly values: string
}

/** What is read for one part, and how far it brings the export. */
export interface Reading {
  readonly lines: readonly Line[]
  readonly cursor: ChangePlace
  readonly read: number
  readonly broken: number
}

export interface ReadingPlan {
  readonly agreement: Agreement
  readonly dataset: Dataset
  readonly keys: KeyRing
  /** The day of an age; the same for all of the export. */
  readonly today: Date
  /** The fields that a class is made of; none where the export is not judged by classes. */
  readonly classFields: readonly string[]
  /** A horizon: nothing can appear before it any more. */
  readonly end: ChangePlace
  /** Records of one file at most. */
  readonly partRecords: number
}

/** A record whose seal is broken is left out and counted, so that one does not hold up the rest. */
function shareWhole(changes: readonly Change[], plan: ReadingPlan): readonly SharedRecord[] {
  const { agreement, dataset, keys, today } = plan
  try {
    return share(changes, agreement, { dataset, keys, today, isFile: true })
  } catch (error) {
    if (toAppError(error).code !== 'SEAL_BROKEN') throw error
    return changes.length === 1 ? [] : changes.flatMap((change) => shareWhole([change], plan))
  }
}

function toLines(changes: readonly Change[], plan: ReadingPlan): readonly Line[] {
  const sources = new Map(changes.map((change) => [`${change.feed}/${change.recordId}`, change]))
  return shareWhole(changes, plan).flatMap((shared) => {
    const { record } = shared
    const source = sources.get(shared.id)
    if (source === undefined || record === null) return []
    const { feed, subject } = source
    const values = JSON.stringify(plan.classFields.map((name) => record[name] ?? null))
    return [{ text: JSON.stringify(shared), feed, subject, values }]
  })
}

/** Reads on from a place until a part is full or nothing is left. */
export async function readLines(query: Query, plan: ReadingPlan, after: ChangePlace): Promise<Reading> {
  const { agreement, dataset, end, partRecords } = plan
  const selection = selectionOf(agreement, dataset)
  // A file counts as one use, so none may hold more than a day allows.
  const most = Math.min(partRecords, agreement.recordsPerDay ?? partRecords)
  const lines: Line[] = []
  let [cursor, read, bytes] = [after, 0, 0]
  while (read < most && bytes < PART_BYTES) {
    const limit = Math.min(READ_AT_ONCE, most - read)
    const changes = await readLiving(query, selection, { after: cursor, upTo: end }, limit)
    const fresh = toLines(changes, plan)
    lines.push(...fresh)
    bytes += fresh.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0)
    read += changes.length
    const last = changes.at(-1)
    if (last !== undefined) cursor = { tx: last.tx, seq: last.seq }
    if (changes.length < limit) break
  }
  return { lines, cursor, read, broken: read - lines.length }
}

const compress = promisify(gzip)

/** Lines as the bytes of a file. */
export const toFile = (lines: readonly Pick<FileLine, 'text'>[]): Promise<Buffer> =>
  compress(Buffer.from(lines.map(({ text }) => `${text}\n`).join('')))

/** What the seal of a file is bound to. */
export const boundOfPart = (exportId: number, number: number): string => `export-part|${exportId}|${number}`

/** A file of an export as it rests. */
export async function makePart(
  keys: KeyRing,
  exportId: number,
  number: number,
  lines: readonly FileLine[],
): Promise<StoredPart> {
  const file = await toFile(lines)
  return {
    number,
    records: lines.length,
    bytes: file.length,
    digest: hash('sha256', file),
    sealed: sealBytes(keys.sealing, boundOfPart(exportId, number), file),
    subjects: keys.personTokens(lines.map(({ subject }) => subject)),
  }
}

/** How much of each feed is in these lines. */
export function sharesOfLines(lines: readonly FileLine[]): readonly FeedShare[] {
  return [...Map.groupBy(lines, ({ feed }) => feed)].map(([feed, members]) => ({
    feed,
    records: members.length,
    persons: members.filter(({ subject }) => subject !== null).length,
  }))
}
