import { hash } from 'node:crypto'
import { TextDecoder } from 'node:util'
import { AppError } from '../errors.ts'
import type { FileFormat } from '../feeds/manifest-file.ts'
import type { PushSourceManifest } from '../feeds/manifest-types.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { sealAll } from '../security/seal.ts'
import type { Transaction } from '../store/database.ts'
import type { Feed } from '../store/feeds.ts'
import { assertNotFrozen } from '../store/freezes.ts'
import { findReceipt, insertBatch, lockBatches, type Receipt } from '../store/push-batches.ts'
import { requestRun } from '../store/runs.ts'
import { bytesAsFile } from './sources/file-bytes.ts'
import { openTable } from './sources/file-formats.ts'
import { parseJson } from './sources/json.ts'
import { readLines } from './sources/ndjson.ts'
import { boundOfChunk } from './sources/push.ts'

/** A feed whose department posts. */
export type PushFeed = Feed & { readonly manifest: { readonly source: PushSourceManifest } }

/** A feed that departments post to, or null for one of another kind. */
export function asPushFeed(feed: Feed): PushFeed | null {
  return feed.manifest.source.kind === 'push' ? (feed as PushFeed) : null
}

const takingStates: readonly Feed['state'][] = ['testing', 'active']

/** Throws FEED_STATE where the feed takes no batches now. */
export function assertTakesBatches({ code, state }: Feed): void {
  if (takingStates.includes(state)) return
  throw new AppError(
    'FEED_STATE',
    `${code} is in state ${state} and takes batches when it is ${takingStates.join(' or ')}`,
  )
}

/** A batch as it came, from a department that was recognised. */
export interface PostedBatch {
  readonly batchNo: string
  readonly contentType: string
  readonly body: Buffer
}

export interface ReceivedBatch {
  readonly receipt: Receipt
  /** True where the batch had been received before: the receipt is the first one. */
  readonly repeated: boolean
}

type ReadRows = (body: Buffer, source: PushSourceManifest) => Promise<readonly unknown[]>

async function* inOne(body: Buffer): AsyncGenerator<Uint8Array> {
  yield body
}

const refuse = (detail: string): AppError => new AppError('REQUEST_INVALID', detail)

/**
 * As much as a JSON batch can hold: 40,000 residents. A file may be small and hold more than the memory, because names of columns
 * are written once in it and workbooks are compressed.
 */
const MOST_ROW_BYTES = 16 * 1024 * 1024

/** The longest line that a CSV file may have; a row of 10 MB would keep everybody waiting for seconds while it is sealed. */
const MOST_CHARACTERS = 1_000_000

const tooLong = (): AppError => refuse(`body: a row of more than ${MOST_CHARACTERS} characters`)

const readFile =
  (kind: FileFormat['kind']): ReadRows =>
  async (body, { upload }) => {
    if (upload?.kind !== kind) throw refuse(`the manifest takes no upload as ${kind}`)
    const table = await openTable(bytesAsFile('the upload', body, body.length), upload)
    const rows: unknown[] = []
    let bytes = 0
    for await (const { value } of table.rows()) {
      const { length } = JSON.stringify(value)
      if (length > MOST_CHARACTERS) throw tooLong()
      bytes += length
      if (bytes > MOST_ROW_BYTES)
        throw refuse(`body: its rows are more than ${MOST_ROW_BYTES} bytes; post smaller files`)
      rows.push(value)
    }
    return rows
  }

/** 160,000 rows of three objects each fill a batch; 2,700,000 empty ones fit into 8 MiB and take 390 MiB of memory. */
const MOST_OBJECTS = 500_000
const OPENING: ReadonlySet<number> = new Set(Buffer.from('[{'))

function assertShortRows(rows: readonly unknown[], body: Buffer): readonly unknown[] {
  const isShort = (row: unknown): boolean => JSON.stringify(row).length <= MOST_CHARACTERS
  if (body.length > MOST_CHARACTERS && !rows.every(isShort)) throw tooLong()
  return rows
}

/** Counts what opens an object or a list in a JSON body before anything is made of it. */
function assertFewObjects(body: Buffer): void {
  let objects = 0
  for (const byte of body) if (OPENING.has(byte)) objects += 1
  if (objects > MOST_OBJECTS)
    throw refuse(`body: wanted at most ${MOST_OBJECTS} objects and lists; post smaller batches`)
}

/** How each type of body is read into rows. */
const readers: Readonly<Record<string, ReadRows>> = {
  'application/json': async (body) => {
    assertFewObjects(body)
    const rows = parseJson(new TextDecoder('utf-8', { fatal: true }).decode(body))
    if (!Array.isArray(rows)) throw refuse('body: wanted a JSON array of rows')
    return assertShortRows(rows, body)
  },
  'application/x-ndjson': async (body) => {
    assertFewObjects(body)
    return assertShortRows(await readLines(inOne(body), new TextDecoder('utf-8', { fatal: true })), body)
  },
  'text/csv': readFile('csv'),
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': readFile('xlsx'),
}

/** What a body may say that it is; which of the files a feed takes is in its manifest. */
export const batchTypes: readonly string[] = Object.keys(readers)

/** Errors of parsers may quote the body, so none of their words is passed on. */
async function readRows({ contentType, body }: PostedBatch, source: PushSourceManifest): Promise<readonly unknown[]> {
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? ''
  const read = Object.hasOwn(readers, type) ? readers[type] : undefined
  if (read === undefined) throw refuse(`content-type: wanted one of ${batchTypes.join(', ')}`)
  try {
    return await read(body, source)
  } catch (error) {
    if (error instanceof AppError && error.code === 'REQUEST_INVALID') throw error
    throw refuse(
      `body: ${body.length} bytes that are no ${type}${error instanceof AppError ? `; ${error.detail}` : ''}`,
    )
  }
}

function sealRows(feed: PushFeed, batchNo: string, rows: readonly unknown[], keys: KeyRing): readonly Buffer[] {
  const size = feed.manifest.source.pageSize
  const count = Math.ceil(rows.length / size)
  return sealAll(
    keys.sealing,
    Array.from({ length: count }, (_, index) => ({
      // PostgreSQL numbers them from 1.
      bound: boundOfChunk(feed.code, batchNo, index + 1),
      clear: JSON.stringify(rows.slice(index * size, (index + 1) * size)),
    })),
  )
}

async function receiptOf({ query }: Transaction, feed: Feed, batchNo: string): Promise<Receipt> {
  const receipt = await findReceipt(query, feed.feedId, batchNo)
  if (receipt === null) throw new AppError('BATCH_UNKNOWN', batchNo)
  return receipt
}

/** A batch that is read into sealed rows, ready to be kept. */
export type KeepBatch = (transaction: Transaction) => Promise<ReceivedBatch>

/**
 * Reads a batch and gives the work that keeps it, in a transaction of the caller's: rows, receipt, audit entry and the run that
 * will read it. The same number with the same body again gives the first receipt. Throws REQUEST_INVALID; keeping it throws
 * BATCH_CONFLICT where the number is taken by another body, FROZEN.
 */
export async function readBatch(feed: PushFeed, batch: PostedBatch, keys: KeyRing): Promise<KeepBatch> {
  const { batchNo, body } = batch
  const digest = hash('sm3', body)
  const rows = await readRows(batch, feed.manifest.source)
  const chunks = sealRows(feed, batchNo, rows, keys)
  return async (transaction) => {
    const { query, audit } = transaction
    await assertNotFrozen(query, feed)
    await lockBatches(query, feed.feedId)
    const first = await findReceipt(query, feed.feedId, batchNo)
    if (first !== null && first.digest !== digest) {
      throw new AppError(
        'BATCH_CONFLICT',
        `batch ${batchNo} was received with another body; give the new rows a new number`,
      )
    }
    if (first !== null) return { receipt: first, repeated: true }
    await insertBatch(query, feed.feedId, { batchNo, digest, rows: rows.length, chunks })
    // Before its activation a feed is tested with what was posted; no run reads it yet.
    const run = feed.state === 'active' ? await requestRun(query, feed.feedId) : null
    await audit({
      type: 'batch.received',
      actor: `department:${feed.department}`,
      outcome: 'ok',
      feed: feed.code,
      dataset: feed.dataset,
      ...(run === null ? {} : { object: `run/${run.runId}` }),
      count: rows.length,
    })
    return { receipt: await receiptOf(transaction, feed, batchNo), repeated: false }
  }
}
