import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'

/** The largest body an emulator takes: a delivery of some thousand records is a few megabytes. */
const BODY_BYTES = 64 * 1024 * 1024

/** One request, read whole. */
export interface Request {
  readonly method: string
  readonly path: string
  /** The query as it was sent, without the question mark: signatures are made over it. */
  readonly query: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** One answer; text is sent as it is, anything else as JSON. */
export interface Reply {
  readonly status: number
  readonly body: unknown
  /** Beside or instead of the content type of JSON. */
  readonly headers?: Readonly<Record<string, string>>
}

export type Handle = (request: Request) => Reply | Promise<Reply>

async function readBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > BODY_BYTES) throw new RangeError('the body is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

async function answer(message: IncomingMessage, response: ServerResponse, handle: Handle): Promise<void> {
  const [path = '/', query = ''] = (message.url ?? '/').split('?', 2)
  const body = await readBody(message)
  const reply = await handle({ method: message.method ?? 'GET', path, query, headers: message.headers, body })
  response.writeHead(reply.status, { 'content-type': 'application/json; charset=utf-8', ...reply.headers })
  response.end(typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body))
}

/** Serves on 127.0.0.1; port 0 takes a free one. Returns the server and its address, for example http://127.0.0.1:4100. */
export async function serve(port: number, handle: Handle): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer((message, response) => {
    answer(message, response, handle).catch((error: unknown) => {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : 'failed'}\n`)
      if (!response.headersSent) response.writeHead(500)
      response.end()
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return { server, url: `http://127.0.0.1:${address.port}` }
}

/** Prints the first line of a demo process: what the orchestrator must know, as one JSON object. */
export function announce(facts: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(facts)}\n`)
}

/** Runs `stop` once on SIGTERM or SIGINT and ends the process. */
export function stopOnSignal(server: Server, stop: () => Promise<void> = () => Promise.resolve()): void {
  const end = (): void => {
    server.closeAllConnections()
    server.close(() => {
      void stop().finally(() => process.exit(0))
    })
  }
  process.once('SIGTERM', end)
  process.once('SIGINT', end)
}

/** A whole number given as an option; `fallback` where none was given. Throws when it is no whole number. */
export function readWhole(text: string | undefined, name: string, fallback: number): number {
  const value = text === undefined ? fallback : Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`--${name}: a whole number is wanted`)
  return value
}
