import type { Pool } from 'undici'

/** Records of one page. */
export const PAGE = 500

/** A consumer with its token, at the door of the product. */
export interface Consumer {
  readonly pool: Pool
  readonly authorization: string
}

interface Page {
  readonly bytes: number
  readonly cursor: string
  readonly hasMore: boolean
}

/** A page ends with how to go on, which is shorter than this. */
const TAIL_BYTES = 1000

/** What a consumer does with a page is its own time, and keeping it too: only the end is read here. */
async function readTail(body: AsyncIterable<Buffer>): Promise<{ readonly bytes: number; readonly tail: string }> {
  let bytes = 0
  let tail: Buffer = Buffer.alloc(0)
  for await (const chunk of body) {
    bytes += chunk.length
    tail = chunk.length < TAIL_BYTES ? Buffer.concat([tail.subarray(-TAIL_BYTES), chunk]) : chunk
  }
  return { bytes, tail: tail.subarray(-TAIL_BYTES).toString('utf8') }
}

export async function pullPage({ pool, authorization }: Consumer, cursor: string): Promise<Page> {
  const { statusCode, body } = await pool.request({
    method: 'GET',
    path: `/api/v1/datasets/resident/changes?limit=${PAGE}&cursor=${cursor}`,
    headers: { authorization },
  })
  if (statusCode !== 200) throw new Error(`a page was answered ${statusCode}`)
  const { bytes, tail } = await readTail(body)
  const end = JSON.parse(`{${tail.slice(tail.lastIndexOf('"cursor"'))}`) as Pick<Page, 'cursor' | 'hasMore'>
  return { bytes, ...end }
}
