import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { AppError } from '../../errors.ts'

/** Records compress 5 to 30 times, a bomb of deflate reaches 1,029. What grows more than this is refused. */
export const MAX_RATIO = 100

// A stream may begin with something that hardly takes a byte; at its end it is weighed as a whole.
const HARMLESS_BYTES = 1024 * 1024

/**
 * The content of a gzip stream as it arrives, never more than 100 times what was read. Throws AppError SOURCE_LIMIT_EXCEEDED
 * for a bomb; errors of the stream and of zlib are passed on as they came.
 */
export async function* inflate(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  // What it has taken in is weighed, not what was read for it: a bomb is seen at its beginning.
  const gunzip = createGunzip()
  let inflated = 0
  // The error reaches whoever reads the last stream, so the callback has nothing left to do.
  const chunks: AsyncIterable<Uint8Array> = pipeline(body, gunzip, () => undefined)
  for await (const chunk of chunks) {
    inflated += chunk.length
    if (inflated > HARMLESS_BYTES) assertRatio(inflated, gunzip.bytesWritten)
    yield chunk
  }
  assertRatio(inflated, gunzip.bytesWritten)
}

function assertRatio(inflated: number, taken: number): void {
  if (inflated <= taken * MAX_RATIO) return
  throw new AppError('SOURCE_LIMIT_EXCEEDED', `a gzip stream that grows more than ${MAX_RATIO} times`)
}
