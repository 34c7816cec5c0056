import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { Capture } from './taint-capture.ts'

export interface Receiver {
  readonly url: string
  readonly close: () => void
}

const headText = ({ method, url, rawHeaders }: IncomingMessage): string => [method, url, ...rawHeaders].join('\n')

async function listen(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<unknown>,
): Promise<Receiver> {
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.writeHead(502).end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

const signedHeaders = ({ headers }: IncomingMessage): [string, string][] =>
  Object.entries(headers).filter(([name]) => name.startsWith('webhook-')) as [string, string][]

/**
 * Takes deliveries, keeps each with its address and headers, and hands it to the platform behind it. A path of its own refuses
 * everything with status 500 and a body that repeats a person.
 */
export function openReceiver(capture: Capture, platform: () => string, refusal: string): Promise<Receiver> {
  return listen(async (request, response) => {
    const body = await buffer(request)
    const place = request.url === '/webhook' ? 'webhook' : 'refuse'
    capture.write('deliveries', place, body)
    capture.write('delivery headers', place, headText(request))
    if (request.url !== '/webhook') return response.writeHead(500, { 'x-refused': 'yes' }).end(refusal)
    const options = { method: 'POST', headers: signedHeaders(request), body: new Uint8Array(body) }
    const answer = await fetch(new URL('/webhook', platform()), options)
    return response.writeHead(answer.status).end(await answer.text())
  })
}

/** Stands before a witness and keeps what the signer submits and what the witness answers. */
export function openWitnessTap(capture: Capture, witness: () => string): Promise<Receiver> {
  return listen(async (request, response) => {
    const body = await buffer(request)
    const answer = await fetch(new URL(request.url ?? '/', witness()), { method: 'POST', body: new Uint8Array(body) })
    const text = await answer.text()
    capture.write('witness traffic', 'add-checkpoint', `${headText(request)}\n\n${body.toString()}\n${text}\n`)
    return response.writeHead(answer.status).end(text)
  })
}
