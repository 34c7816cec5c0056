import { randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import type { CitySource } from '../city/source.ts'
import { changesOfFirst, changesOfSecond, OPERATION_COLUMN, type Change } from './operations.ts'
import { signatureOf } from './signed-access.ts'

/** What a department that posts is told of one of its batches. */
interface Receipt {
  readonly batchNo: string
  readonly rows: number
  readonly state: 'received' | 'read'
  readonly valid: number
  readonly rejected: number
  readonly receivedAt: string
}

/** What all receipts of one pass say together, once every row was read. */
export interface PostedBatches {
  readonly batches: number
  readonly rows: number
  readonly valid: number
  readonly rejected: number
  /** Batches that were sent more than once: one for nothing, one whose answer was lost, one that was lost itself. */
  readonly sentAgain: number
  /** Answers to a batch sent again that were not its first receipt. */
  readonly otherReceipts: number
}

/** Whom a department posts to, and as whom. */
export interface PostingAccess {
  /** For example http://127.0.0.1:8080. */
  readonly api: string
  readonly feed: string
  readonly appKey: string
  readonly appSecret: string
}

interface Batch {
  readonly number: string
  readonly body: Buffer
}

const LARGEST_BATCH = 500
/** A small pass too has one batch for each mishap. */
const FEWEST_BATCHES = 4

const withOperation = ([operation, row]: Change<unknown>): unknown =>
  typeof row === 'object' && row !== null && !Array.isArray(row) ? { ...row, [OPERATION_COLUMN]: operation } : row

function toBatches(day: string, changes: Iterable<Change<unknown>>): readonly Batch[] {
  const rows = [...changes].map(withOperation)
  const size = Math.min(LARGEST_BATCH, Math.max(1, Math.ceil(rows.length / FEWEST_BATCHES)))
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, place) => ({
    number: `GD-${day}-${String(place + 1).padStart(4, '0')}`,
    body: Buffer.from(JSON.stringify(rows.slice(place * size, (place + 1) * size))),
  }))
}

/** Everything the department has, as its first batches. */
export const firstBatches = (source: CitySource): readonly Batch[] => toBatches('20260630', changesOfFirst(source))

/** What changed since. */
export const secondBatches = (source: CitySource): readonly Batch[] => toBatches('20260701', changesOfSecond(source))

/** Headers of one request, signed as it goes out: a request that is sent again is signed anew. */
function sign({ appKey, appSecret }: PostingAccess, method: string, path: string, body: Buffer) {
  const headers = { 'x-app-key': appKey, 'x-timestamp': String(Date.now()), 'x-nonce': randomUUID() }
  return { ...headers, 'x-signature': signatureOf({ method, path, query: '', headers, body }, appSecret) }
}

const pathOf = ({ feed }: PostingAccess): string => `/api/v1/feeds/${feed}/batches`

function headersOfBatch(access: PostingAccess, { number, body }: Batch): Readonly<Record<string, string>> {
  const signed = sign(access, 'POST', pathOf(access), body)
  return { ...signed, 'x-batch-no': number, 'content-type': 'application/json' }
}

async function readReceipt(response: Response, number: string): Promise<Receipt> {
  if (response.ok) return (await response.json()) as Receipt
  throw new Error(`batch ${number} was answered ${response.status}: ${await response.text()}`)
}

async function post(access: PostingAccess, batch: Batch): Promise<Receipt> {
  const headers = headersOfBatch(access, batch)
  const response = await fetch(new URL(pathOf(access), access.api), {
    method: 'POST',
    headers,
    body: new Uint8Array(batch.body),
  })
  return readReceipt(response, batch.number)
}

/** Sends so many bytes of a batch and hangs up without an answer. */
async function hangUpAfter(access: PostingAccess, batch: Batch, bytes: number): Promise<void> {
  const headers = { ...headersOfBatch(access, batch), 'content-length': batch.body.length }
  const sending = request(new URL(pathOf(access), access.api), { method: 'POST', headers })
  sending.on('error', () => undefined)
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  sending.once('close', () => resolve())
  sending.write(batch.body.subarray(0, bytes), () => sending.destroy())
  await closed
}

/** What happens to the first batches of a pass before the receipt that counts; the others are posted once. */
const mishaps: readonly ((access: PostingAccess, batch: Batch) => Promise<Receipt | null>)[] = [
  post,
  async (access, batch) => {
    await hangUpAfter(access, batch, batch.body.length)
    return null
  },
  async (access, batch) => {
    await hangUpAfter(access, batch, batch.body.length >> 1)
    return null
  },
]

const POLL_MS = 250
/** A worker that is killed is waited for: its lease, and its start. */
const GIVE_UP_AFTER_MS = 120_000

/** Asks for the receipt of a batch until all its rows were read. */
async function awaitRead(access: PostingAccess, number: string): Promise<Receipt> {
  const path = `${pathOf(access)}/${number}`
  const endsAt = Date.now() + GIVE_UP_AFTER_MS
  for (;;) {
    const headers = sign(access, 'GET', path, Buffer.alloc(0))
    const receipt = await readReceipt(await fetch(new URL(path, access.api), { headers }), number)
    if (receipt.state === 'read') return receipt
    if (Date.now() > endsAt) throw new Error(`batch ${number} was not read in ${GIVE_UP_AFTER_MS} ms`)
    await wait(POLL_MS)
  }
}

/**
 * Posts the batches one after another, some of them more than once, and waits until the rows of all were read. Throws where one
 * is refused or never read.
 */
export async function postBatches(access: PostingAccess, batches: readonly Batch[]): Promise<PostedBatches> {
  let otherReceipts = 0
  for (const [place, batch] of batches.entries()) {
    const first = (await mishaps[place]?.(access, batch)) ?? null
    const receipt = await post(access, batch)
    if (first !== null && first.receivedAt !== receipt.receivedAt) otherReceipts += 1
  }
  const receipts: Receipt[] = []
  for (const { number } of batches) receipts.push(await awaitRead(access, number))
  const sum = (count: (receipt: Receipt) => number): number =>
    receipts.reduce((total, receipt) => total + count(receipt), 0)
  return {
    batches: batches.length,
    rows: sum(({ rows }) => rows),
    valid: sum(({ valid }) => valid),
    rejected: sum(({ rejected }) => rejected),
    sentAgain: Math.min(batches.length, mishaps.length),
    otherReceipts,
  }
}
