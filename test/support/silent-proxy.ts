import { connect, createServer, type Socket } from 'node:net'
import { listen } from './listen.ts'

export interface SilentProxy {
  readonly port: number
  /** From now on nothing passes either way and nothing is closed, as behind a firewall that forgot the connection. */
  readonly goSilent: () => void
  /** The same for the connections that are open now; new ones pass. The server alone notices, after a while, as its keepalive would. */
  readonly silenceOpen: () => void
  readonly close: () => void
}

const KEEPALIVE_MS = 3000

/** A TCP proxy to a port of this machine that can go silent. */
export async function startSilentProxy(target: number): Promise<SilentProxy> {
  const sockets = new Set<Socket>()
  const towardsServer = new Set<Socket>()
  const silenced = new WeakSet<Socket>()
  let areAllSilent = false
  const isSilent = (socket: Socket): boolean => areAllSilent || silenced.has(socket)
  const pass = (from: Socket, to: Socket): void => {
    sockets.add(from)
    from.on('data', (bytes) => (isSilent(from) ? undefined : to.write(bytes)))
    from.on('close', () => (isSilent(from) ? undefined : to.destroy()))
    from.on('error', () => undefined)
    from.on('close', () => sockets.delete(from))
  }
  const server = createServer((incoming) => {
    const outgoing = connect(target, '127.0.0.1')
    towardsServer.add(outgoing)
    outgoing.on('close', () => towardsServer.delete(outgoing))
    pass(incoming, outgoing)
    pass(outgoing, incoming)
  })
  return {
    port: await listen(server),
    goSilent: () => {
      areAllSilent = true
    },
    silenceOpen: () => {
      for (const socket of sockets) silenced.add(socket)
      const lost = [...towardsServer]
      setTimeout(() => lost.map((socket) => socket.destroy()), KEEPALIVE_MS).unref()
    },
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
