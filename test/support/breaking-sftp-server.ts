import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { createServer, type Socket } from 'node:net'
import type * as Ssh from 'ssh2'
import { listen } from './listen.ts'

// It is the client's own dependency.
const ssh = createRequire(createRequire(import.meta.url).resolve('ssh2-sftp-client'))('ssh2') as typeof Ssh

export interface BreakingSftpServer {
  readonly port: number
  /** Fingerprint of its key, as a manifest states it. */
  readonly hostKey: string
  /** Resolves when the connection was broken. */
  readonly broken: Promise<void>
  readonly close: () => void
}

/** When the server breaks the connection: asked for what is behind the last byte of `victim`, or asked to close it. */
export type BreakingPoint = 'end' | 'close'

/** An SFTP server over files in memory that lets everybody in and breaks the connection at one point. */
export async function startBreakingSftpServer(
  files: Readonly<Record<string, Buffer>>,
  victim: string,
  point: BreakingPoint,
): Promise<BreakingSftpServer> {
  const keys = ssh.utils.generateKeyPairSync('ed25519')
  const server = new ssh.Server({ hostKeys: [keys.private] })
  const broken = Promise.withResolvers<void>()
  const sockets = new Set<Socket>()
  const breakAll = (): void => {
    for (const socket of sockets) socket.destroy()
    broken.resolve()
  }
  server.on('connection', (client) => {
    client.on('error', () => undefined)
    client.on('authentication', (attempt) => attempt.accept())
    client.on('session', (accept) => {
      accept().on('sftp', (acceptSftp) => serve(acceptSftp(), files, { victim, point, breakAll }))
    })
  })
  const door = createServer((socket) => {
    sockets.add(socket)
    server.injectSocket(socket)
  })
  return {
    port: await listen(door),
    hostKey: fingerprint(keys.public),
    broken: broken.promise,
    close: () => {
      door.close()
      breakAll()
    },
  }
}

function fingerprint(publicKey: string): string {
  const parsed = ssh.utils.parseKey(publicKey)
  if (parsed instanceof Error) throw parsed
  const hash = createHash('sha256').update(parsed.getPublicSSH()).digest('base64')
  return `SHA256:${hash.replace(/=+$/, '')}`
}

interface Break {
  readonly victim: string
  readonly point: BreakingPoint
  readonly breakAll: () => void
}

/** A handle is the name of its file, or of nothing for the directory, which is listed once. */
function serve(
  sftp: Ssh.SFTPWrapper,
  files: Readonly<Record<string, Buffer>>,
  { victim, point, breakAll }: Break,
): void {
  const { OK, EOF, NO_SUCH_FILE } = ssh.utils.sftp.STATUS_CODE
  const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)
  const stat = (id: number, path: string): void => {
    const file = files[nameOf(path)]
    return file === undefined ? sftp.status(id, NO_SUCH_FILE) : sftp.attrs(id, attributesOf(file))
  }
  let isListed = false
  sftp.on('REALPATH', (id, path) =>
    sftp.name(id, [{ filename: path, longname: path, attrs: attributesOf(Buffer.alloc(0)) }]),
  )
  sftp.on('STAT', stat)
  sftp.on('LSTAT', stat)
  sftp.on('OPENDIR', (id) => sftp.handle(id, Buffer.from('')))
  sftp.on('READDIR', (id) => {
    if (isListed) return sftp.status(id, EOF)
    isListed = true
    const entries = Object.entries(files)
    return sftp.name(
      id,
      entries.map(([filename, file]) => ({ filename, longname: `- ${filename}`, attrs: attributesOf(file) })),
    )
  })
  sftp.on('OPEN', (id, path) => sftp.handle(id, Buffer.from(nameOf(path))))
  sftp.on('READ', (id, handle, offset, length) => {
    const name = handle.toString()
    const bytes = files[name]?.subarray(offset, offset + length) ?? Buffer.alloc(0)
    if (bytes.length > 0) return sftp.data(id, bytes)
    return name === victim && point === 'end' ? breakAll() : sftp.status(id, EOF)
  })
  sftp.on('CLOSE', (id, handle) =>
    handle.toString() === victim && point === 'close' ? breakAll() : sftp.status(id, OK),
  )
}

const attributesOf = (file: Buffer): Ssh.Attributes => ({
  mode: 0o100_644,
  uid: 0,
  gid: 0,
  size: file.length,
  atime: 0,
  mtime: 0,
})
