import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { SinkKind } from './taint-kinds.ts'
import type { Stage } from './taint-stage.ts'

export type Headers = Readonly<Record<string, string>>

export const basic = (name: string, secret: string): Headers => ({
  authorization: `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`,
})

/** What becomes of an answer. */
interface Keeping {
  /** Its sink; without one it is told from name and status. */
  readonly kind?: SinkKind
  /** The one place where clear values belong: the answer's head is searched, its body is not. */
  readonly isAllowed?: boolean
}

export interface Answered {
  readonly status: number
  readonly body: Buffer
}

const named: readonly (readonly [RegExp, SinkKind])[] = [
  [/^\/metrics/, 'metrics'],
  [/^\/(?:healthz|readyz)/, 'health answers'],
  [/^\/(?:openapi|docs)/, 'documentation'],
]

function kindOf(name: string, status: number): SinkKind {
  const [, kind] = named.find(([pattern]) => pattern.test(name)) ?? []
  return kind ?? (status >= 400 ? 'problem answers' : 'http answers')
}

/** The sinks of the headers that are more than a line of the answer, and how their value is read. */
const readHeader: Readonly<Record<string, readonly [SinkKind, (value: string) => string | Buffer]>> = {
  'content-disposition': ['file names', (value) => value],
  'gridbridge-checkpoint': ['checkpoints', (value) => Buffer.from(value, 'base64')],
}

function keepHead({ capture }: Stage, name: string, { status, statusText, headers }: Response): void {
  capture.write('answer headers', name, `${status} ${statusText}\n`)
  for (const [header, value] of headers) {
    capture.write('answer headers', name, `${header}: ${value}\n`)
    const [kind, read] = readHeader[header] ?? []
    if (kind !== undefined && read !== undefined) capture.write(kind, name, read(value))
  }
}

/** Asks and keeps the whole answer, status, headers and body, under a name that holds nothing of the question. */
export async function ask(
  stage: Stage,
  name: string,
  url: string,
  options: RequestInit = {},
  { kind, isAllowed = false }: Keeping = {},
): Promise<Answered> {
  const response = await fetch(url, { redirect: 'manual', ...options })
  const body = Buffer.from(await response.arrayBuffer())
  keepHead(stage, name, response)
  const { status } = response
  if (!isAllowed || status >= 400)
    stage.capture.write(kind ?? kindOf(name, status), name, Buffer.concat([body, between]))
  return { status, body }
}

const between = Buffer.from('\n')

/** Bytes that are no HTTP, straight to the socket. */
export async function askRaw(stage: Stage, address: string, text: string): Promise<void> {
  const { hostname, port } = new URL(address)
  const socket = connect(Number(port), hostname)
  socket.setTimeout(3000, () => socket.destroy())
  socket.end(text)
  stage.capture.write('problem answers', 'no HTTP', await buffer(socket).catch(() => Buffer.alloc(0)))
}
