import { connect, createServer, type Socket } from 'node:net'
import { listen } from './listen.ts'

export interface SilentProxy {
  readonly port: number
  /** From now on nothing passes either way and nothing is closed, as behind a firewall that forgot the connection. */
  readonly goSilent: () => void
  readonly close: () => void
}

/** A TCP proxy to a port of this machine that can go silent. */
export async function startSilentProxy(target: number): Promise<SilentProxy> {
  const sockets = new Set<Socket>()
  let isSilent = false
  const pass = (from: Socket, to: Socket): void => {
    sockets.add(from)
    from.on('data', (bytes) => (isSilent ? undefined : to.write(bytes)))
    from.on('close', () => (isSilent ? undefined : to.destroy()))
    from.on('error', () => undefined)
  }
  const server = createServer((incoming) => {
    const outgoing = connect(target, '127.0.0.1')
    pass(incoming, outgoing)
    pass(outgoing, incoming)
  })
  return {
    port: await listen(server),
    goSilent: () => {
      isSilent = true
    },
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
