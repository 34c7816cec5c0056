import type { TextDecoder } from 'node:util'
import { AppError } from '../../errors.ts'
import { parseJson } from './json.ts'

/**
 * The values of newline-delimited JSON, one per line that is not blank. A line that is no JSON becomes its own text, which no
 * mapping accepts, so that its row is rejected and its neighbours are not. Throws AppError SOURCE_BODY_INVALID for bytes outside the charset,
 * and for a last line that breaks off.
 */
export async function readLines(chunks: AsyncIterable<Uint8Array>, decoder: TextDecoder): Promise<readonly unknown[]> {
  const values: unknown[] = []
  // Pieces of the line that has begun, joined once: a line of 10 MB comes in hundreds of chunks.
  let begun: string[] = []
  for await (const chunk of chunks) {
    const [first = '', ...rest] = decodeOrRefuse(decoder, chunk).split('\n')
    begun.push(first)
    for (const piece of rest) {
      const line = begun.join('')
      if (line.trim() !== '') values.push(parseOr(line, line))
      begun = [piece]
    }
  }
  const end = begun.join('') + decodeOrRefuse(decoder)
  if (end.trim() === '') return values
  const last = parseOr(end, undefined)
  if (last === undefined) throw new AppError('SOURCE_BODY_INVALID', 'the last line breaks off')
  return [...values, last]
}

function parseOr(line: string, otherwise: unknown): unknown {
  try {
    return parseJson(line)
  } catch {
    return otherwise
  }
}

function decodeOrRefuse(decoder: TextDecoder, chunk?: Uint8Array): string {
  try {
    return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true })
  } catch {
    throw new AppError('SOURCE_BODY_INVALID', `bytes that are not ${decoder.encoding.toUpperCase()}`)
  }
}
