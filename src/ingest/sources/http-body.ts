import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { TextDecoder } from 'node:util'
import { AppError } from '../../errors.ts'
import type { HttpAnswerFormat, Pointer } from '../../feeds/manifest-types.ts'
import { inflate } from './gzip.ts'
import { parseJson } from './json.ts'
import { assertPageBytes } from './limits.ts'
import { readLines } from './ndjson.ts'
import { readPointer } from './pointer.ts'
import { parseXml } from './xml.ts'

type Chunks = AsyncIterable<Uint8Array>

/** What an answer should be. */
export interface ExpectedBody {
  readonly format: HttpAnswerFormat
  /** Bytes after decompression. */
  readonly pageBytes: number
  /** The element of XML that is a list even when it stands alone. */
  readonly records?: Pointer
}

interface BodyFormat {
  /** For the request's header Accept. */
  readonly accept: string
  readonly types: RegExp
  readonly read: (chunks: Chunks, charset: string, expected: ExpectedBody) => Promise<unknown>
}

// No brotli: a bomb of it reaches 661,562 times its size.
const decoders: Readonly<Record<string, (body: Readable) => Chunks>> = {
  identity: (body) => body,
  gzip: inflate,
  'x-gzip': inflate,
}

/** GB18030 holds GBK and GB 2312; Node's decoder of that name `gbk` does not know four-byte characters. */
const charsets: Readonly<Record<string, string>> = {
  'utf-8': 'utf-8',
  utf8: 'utf-8',
  'us-ascii': 'utf-8',
  gb18030: 'gb18030',
  gbk: 'gb18030',
  gb2312: 'gb18030',
}

const formats: Readonly<Record<HttpAnswerFormat['kind'], BodyFormat>> = {
  json: {
    accept: 'application/json',
    types: /^(application|text)\/([\w.-]+\+)?json\s*(;|$)/i,
    read: async (chunks, charset) => parseText(await collect(chunks), charset, 'JSON', parseJson),
  },
  ndjson: {
    accept: 'application/x-ndjson',
    types: /^(application\/(x-)?(ndjson|jsonlines?|json)|application\/jsonl|text\/plain)\s*(;|$)/i,
    read: async (chunks, charset) => readLines(chunks, decoderOf(charset)),
  },
  xml: {
    accept: 'text/xml, application/xml, application/soap+xml',
    types: /^(application|text)\/([\w.-]+\+)?xml\s*(;|$)/i,
    read: readXml,
  },
}

/** What the header Accept says when this format is wanted. */
export function acceptOf(format: HttpAnswerFormat): string {
  return formats[format.kind].accept
}

/**
 * Reads an answer as a stream that never holds more than `pageBytes` bytes, counted after decompression. Throws AppError
 * SOURCE_LIMIT_EXCEEDED for a larger one and SOURCE_BODY_INVALID for what is not of the format or not in its charset, never
 * with a piece of the body; errors of the connection are passed on as they came.
 */
export async function readDocument(
  body: Readable,
  headers: IncomingHttpHeaders,
  expected: ExpectedBody,
): Promise<unknown> {
  const { format, pageBytes } = expected
  const type = headers['content-type']
  if (type !== undefined && !formats[format.kind].types.test(type)) {
    throw unreadable(`content-type ${type.slice(0, 60)}, wanted ${formats[format.kind].accept}`)
  }
  const encoding = (headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  const decode = Object.hasOwn(decoders, encoding) ? decoders[encoding] : undefined
  if (decode === undefined) throw unreadable(`content-encoding ${encoding.slice(0, 20)}, wanted gzip or none`)
  assertPageBytes(Number(headers['content-length'] ?? 0), { pageBytes })
  const charset = /;\s*charset\s*=\s*"?([\w-]+)/i.exec(type ?? '')?.[1]
  return formats[format.kind].read(bounded(decode(body), pageBytes), charset ?? '', expected)
}

async function readXml(chunks: Chunks, charset: string, { format, records }: ExpectedBody): Promise<unknown> {
  const bytes = await collect(chunks)
  // The header goes before the declaration (RFC 7303 §3).
  const declared = /^\s*<\?xml[^>]{0,100}?encoding\s*=\s*["']([\w-]+)/.exec(bytes.toString('latin1', 0, 200))?.[1]
  const embedded = format.kind === 'xml' ? format.embedded : undefined
  const list = embedded === undefined ? records : undefined
  const document = parseText(bytes, charset || (declared ?? ''), 'XML', (text) => parseXml(text, list))
  return embedded === undefined ? document : openEmbedded(document, embedded, records)
}

function openEmbedded(
  document: unknown,
  { at, kind }: { readonly at: Pointer; readonly kind: 'json' | 'xml' },
  records: Pointer | undefined,
): unknown {
  const text = readPointer(document, at)
  // A Fault has no such element; whoever reads the page says so.
  if (text === undefined) return document
  if (typeof text !== 'string') throw unreadable(`no text at ${at}`)
  const parse = kind === 'json' ? parseJson : (inner: string): unknown => parseXml(inner, records)
  return refuseQuietly(() => parse(text), `the text at ${at} is not ${kind.toUpperCase()}`)
}

async function* bounded(chunks: Chunks, pageBytes: number): Chunks {
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    assertPageBytes(bytes, { pageBytes })
    yield chunk
  }
}

async function collect(chunks: Chunks): Promise<Buffer> {
  const kept: Uint8Array[] = []
  for await (const chunk of chunks) kept.push(chunk)
  return Buffer.concat(kept)
}

function parseText(bytes: Buffer, charset: string, name: string, parse: (text: string) => unknown): unknown {
  const decoder = decoderOf(charset)
  const fault = `${bytes.length} bytes that are not ${name} in ${decoder.encoding.toUpperCase()}`
  return refuseQuietly(() => parse(decoder.decode(bytes)), fault)
}

/** What a parser throws is not kept as the cause: its message quotes the body. */
function refuseQuietly<Result>(read: () => Result, fault: string): Result {
  try {
    return read()
  } catch (error) {
    throw error instanceof AppError ? error : unreadable(fault)
  }
}

function decoderOf(charset: string): TextDecoder {
  const name = charset === '' ? 'utf-8' : charset.toLowerCase()
  const label = Object.hasOwn(charsets, name) ? charsets[name] : undefined
  if (label === undefined) throw unreadable(`charset ${name.slice(0, 20)}, wanted utf-8 or gb18030`)
  return new TextDecoder(label, { fatal: true })
}

function unreadable(detail: string): AppError {
  return new AppError('SOURCE_BODY_INVALID', detail)
}
