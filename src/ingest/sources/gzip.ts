import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { AppError } from '../../errors.ts'

/** Records compress 5 to 30 times, a bomb of deflate reaches 1,029. What grows more than this is refused. */
export const MAX_RATIO = 100

/**
 * The content of a gzip stream as it arrives, never more than 100 times what was read. Throws AppError SOURCE_LIMIT_EXCEEDED
 * for a bomb; errors of the stream and of zlib are passed on as they came.
 */
export async function* inflate(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let received = 0
  let inflated = 0
  const count = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    for await (const chunk of chunks) {
      received += chunk.length
      yield chunk
    }
  }
  // The error reaches whoever reads the last stream, so the callback has nothing left to do.
  const chunks: AsyncIterable<Uint8Array> = pipeline(body, count, createGunzip(), () => undefined)
  for await (const chunk of chunks) {
    inflated += chunk.length
    if (inflated > received * MAX_RATIO) {
      throw new AppError('SOURCE_LIMIT_EXCEEDED', `a gzip stream that grows more than ${MAX_RATIO} times`)
    }
    yield chunk
  }
}
