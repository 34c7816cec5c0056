import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { listen } from './listen.ts'

export interface Received {
  readonly headers: IncomingHttpHeaders
  /** The body as it came. */
  readonly body: string
}

/** What the receiver does once it has read a whole request. */
export type Reaction = (response: ServerResponse, received: Received) => void

export const answer =
  (status: number, headers: Readonly<Record<string, string>> = {}): Reaction =>
  (response) =>
    void response.writeHead(status, headers).end('{}')

/** Answers JSON that is made of what was received. */
export const answerWith =
  (status: number, bodyOf: (received: Received) => unknown): Reaction =>
  (response, received) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(bodyOf(received)))

/** Takes the request and breaks the connection, as a crash between the receipt and the answer would. */
export const reset: Reaction = (response) => void response.socket?.destroy()

/** Takes the request and never answers. */
export const hang: Reaction = () => undefined

export interface Receiver {
  readonly url: string
  readonly received: readonly Received[]
  /** The reactions to the next requests; after them, 200. */
  readonly reactWith: (...reactions: readonly Reaction[]) => void
  readonly close: () => void
}

/** A consumer's webhook on a real socket. */
export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = []
  let reactions: readonly Reaction[] = []
  const server = createServer((request, response) => {
    const react = (body: string): void => {
      const [reaction = answer(200), ...rest] = reactions
      reactions = rest
      received.push({ headers: request.headers, body })
      reaction(response, { headers: request.headers, body })
    }
    void text(request).then(react, () => undefined)
  })
  return {
    url: `http://127.0.0.1:${await listen(server)}/webhook`,
    received,
    reactWith: (...given) => {
      reactions = given
    },
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
