import { hash } from 'node:crypto'
import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'

/** What came of one request. */
export interface Outcome {
  /** Milliseconds until the whole answer was there, or the connection broke. */
  readonly ms: number
  /** 0: no answer came, because the process that had the request was killed. */
  readonly status: number
  /** SHA-256 of the bytes that were received, in hexadecimal; null where nothing of a record came. */
  readonly digest: string | null
}

export interface Asking {
  readonly port: number
  readonly path: string
  readonly token: string
  /** JSON; null: the request is a GET. */
  readonly body: string | null
}

/** Connections of a client that keeps them. */
export const openAgent = (): Agent => new Agent({ keepAlive: true, maxSockets: 64 })

/** Sends one request and keeps the digest of every byte that came back with status 200, also where the answer broke off. */
export async function ask(agent: Agent, { port, path, token, body }: Asking): Promise<Outcome> {
  const startedAt = performance.now()
  const typed = body === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const headers = { authorization: `Bearer ${token}`, ...typed }
  const sent = request({ agent, host: '127.0.0.1', port, path, method: body === null ? 'GET' : 'POST', headers })
  sent.end(body ?? undefined)
  try {
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    const bytes = await buffer(answer)
    const status = answer.statusCode ?? 0
    return { ms: performance.now() - startedAt, status, digest: status === 200 ? hash('sha256', bytes) : null }
  } catch {
    return { ms: performance.now() - startedAt, status: 0, digest: null }
  }
}
