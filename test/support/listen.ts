import type { Server } from 'node:net'

/** Starts a server on a free port of `host` and gives the port. */
export async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, host, resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('wanted a TCP server')
  return address.port
}
