import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { verifyRequest } from '../../src/security/request-signature.ts'

interface Kept {
  readonly rows: readonly unknown[]
  readonly receivedAt: string
}

/** The batches door of the product as a department meets it, by the product's own check of signatures. */
export interface BatchDoor {
  readonly url: string
  /** Every row that came since the last time, each batch once. */
  readonly take: () => readonly unknown[]
  /** How often a batch came that was there already, and how often a body broke off. */
  readonly seen: () => { readonly repeated: number; readonly brokenOff: number }
  readonly stop: () => Promise<void>
}

const header = ({ headers }: IncomingMessage, name: string): string => String(headers[name] ?? '')

function isSigned(request: IncomingMessage, body: Buffer, secret: string): boolean {
  const signed = {
    method: request.method ?? '',
    path: request.url ?? '',
    query: [],
    body,
    appKey: header(request, 'x-app-key'),
    secret,
    timestamp: Number(header(request, 'x-timestamp')),
    nonce: header(request, 'x-nonce'),
  }
  return verifyRequest(signed, header(request, 'x-signature'), new Date())
}

/** Opens a door for who holds the secret. */
export async function openBatchDoor(secret: string): Promise<BatchDoor> {
  const kept = new Map<string, Kept>()
  const nonces = new Set<string>()
  let rows: unknown[] = []
  const seen = { repeated: 0, brokenOff: 0 }

  function keep(number: string, body: Buffer): Kept {
    const known = kept.get(number)
    if (known !== undefined) seen.repeated += 1
    const batch = known ?? { rows: JSON.parse(body.toString('utf8')), receivedAt: new Date().toISOString() }
    if (known === undefined) rows.push(...batch.rows)
    kept.set(number, batch)
    return batch
  }

  /** The batch that a request is about; null where it has no right to it. */
  function admit(request: IncomingMessage, body: Buffer): (Kept & { readonly batchNo: string }) | null {
    const nonce = header(request, 'x-nonce')
    if (!isSigned(request, body, secret) || nonces.has(nonce)) return null
    nonces.add(nonce)
    const isPost = request.method === 'POST'
    const batchNo = isPost ? header(request, 'x-batch-no') : (request.url?.split('/').at(-1) ?? '')
    const batch = isPost ? keep(batchNo, body) : kept.get(batchNo)
    return batch === undefined ? null : { ...batch, batchNo }
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const batch = admit(request, await buffer(request))
    response.writeHead(batch === null ? 401 : 200, { 'content-type': 'application/json' })
    const valid = batch?.rows.length
    response.end(JSON.stringify({ ...batch, rows: valid, valid, rejected: 0, state: 'read' }))
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => {
      seen.brokenOff += 1
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    take: () => {
      const taken = rows
      rows = []
      return taken
    },
    seen: () => ({ ...seen }),
    stop: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
