import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { AppError } from '../../errors.ts'
import { inflate } from './gzip.ts'
import { parseJson } from './json.ts'
import { assertPageBytes } from './limits.ts'

type Chunks = AsyncIterable<Uint8Array>

// No brotli: a bomb of it reaches 661,562 times its size.
const decoders: Readonly<Record<string, (body: Readable) => Chunks>> = {
  identity: (body) => body,
  gzip: inflate,
  'x-gzip': inflate,
}

/**
 * Reads a JSON answer as a stream that never holds more than `pageBytes` bytes, counted after decompression. Throws AppError
 * SOURCE_LIMIT_EXCEEDED for a larger one and SOURCE_BODY_INVALID for what is not JSON in UTF-8, never with a piece of the
 * body; errors of the connection are passed on as they came.
 */
export async function readJsonBody(body: Readable, headers: IncomingHttpHeaders, pageBytes: number): Promise<unknown> {
  assertJsonType(headers['content-type'])
  const encoding = (headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  const decode = Object.hasOwn(decoders, encoding) ? decoders[encoding] : undefined
  if (decode === undefined) throw unreadable(`content-encoding ${encoding.slice(0, 20)}, wanted gzip or none`)
  assertPageBytes(Number(headers['content-length'] ?? 0), { pageBytes })
  return parse(await collect(decode(body), pageBytes))
}

async function collect(chunks: Chunks, pageBytes: number): Promise<Buffer> {
  const kept: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    assertPageBytes(bytes, { pageBytes })
    kept.push(chunk)
  }
  return Buffer.concat(kept)
}

function parse(bytes: Buffer): unknown {
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    // Not kept as the cause: the parser's message quotes the body.
    throw unreadable(`${bytes.length} bytes that are not JSON in UTF-8`)
  }
}

function assertJsonType(type: string | undefined): void {
  if (type === undefined || /^(application|text)\/([\w.-]+\+)?json\s*(;|$)/i.test(type)) return
  throw unreadable(`content-type ${type.slice(0, 60)}, wanted application/json`)
}

function unreadable(detail: string): AppError {
  return new AppError('SOURCE_BODY_INVALID', detail)
}
