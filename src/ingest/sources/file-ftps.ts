import type { FileHandle } from 'node:fs/promises'
import { isIP } from 'node:net'
import { PassThrough } from 'node:stream'
import { rootCertificates } from 'node:tls'
import { Client, enterPassiveModeIPv4, enterPassiveModeIPv6, FTPError, type FTPContext, type FileInfo } from 'basic-ftp'
import { AppError } from '../../errors.ts'
import type { FileTransport } from '../../feeds/manifest-file.ts'
import type { EgressGuard } from '../../security/egress.ts'
import { copyPrivately, type RemoteFile } from './file-copy.ts'
import type { FileDirectory, TransportOptions, VisitDirectory } from './file-directory.ts'
import { fileError } from './file-directory.ts'
import { takeSecret } from './secrets.ts'

type FtpsTransport = Extract<FileTransport, { readonly kind: 'ftps' }>

/**
 * A directory on an FTP server with explicit TLS: a connection of its own for each visit. The guard checks the address of the
 * server and each address it names for data. Throws AppError SECRET_MISSING here; visits throw EGRESS_FORBIDDEN,
 * SOURCE_UNAVAILABLE, SOURCE_REFUSED.
 */
export function visitFtps(transport: FtpsTransport, { directory, secrets, egress }: TransportOptions): VisitDirectory {
  const password = takeSecret(secrets, transport.password)
  const ca = transport.ca === undefined ? [...rootCertificates] : takeSecret(secrets, transport.ca)
  const { host, port, user, timeoutMs } = transport
  return async (use) => {
    const address = await egress.resolve(host, port)
    const client = new Client(timeoutMs)
    guardTransfers(client, egress)
    try {
      await client
        .access({
          host: address,
          port,
          user,
          password,
          secure: true,
          // The name that was asked for is on the certificate, not the address that was checked.
          secureOptions: { ca, minVersion: 'TLSv1.2', host, ...(isIP(host) === 0 ? { servername: host } : {}) },
        })
        .catch(toFtpsError(transport))
      // Some servers list a folder that is not there as an empty one; none of them goes into it.
      await client.cd(directory).catch(toFtpsError(transport))
      return await use(openRemote(client, transport))
    } finally {
      client.close()
    }
  }
}

/** Lets the guard see each answer that names a data address before the library connects to it. */
function guardTransfers(client: Client, egress: EgressGuard): void {
  const { ftp } = client
  const request = ftp.request.bind(ftp)
  ftp.request = async (command) => {
    const response = await request(command)
    const control = ftp.socket.remoteAddress ?? ''
    const named = command === 'EPSV' || command === 'PASV' ? readDataAddress(response.message, control) : null
    if (named !== null) await egress.resolve(named.host, named.port)
    return response
  }
  client.prepareTransfer = enterPassive
}

/** EPSV is in RFC 2428; servers that do not know it answer 500 or 502. */
async function enterPassive(ftp: FTPContext): ReturnType<typeof enterPassiveModeIPv6> {
  try {
    return await enterPassiveModeIPv6(ftp)
  } catch (error) {
    if (error instanceof FTPError) return enterPassiveModeIPv4(ftp)
    throw error
  }
}

/** `229 … (|||port|)` with the host of the control connection, or `227 … (a,b,c,d,high,low)`. */
function readDataAddress(message: string, control: string): { readonly host: string; readonly port: number } {
  const [, extended] = /\|\|\|(\d+)\|/.exec(message) ?? []
  if (extended !== undefined) return { host: control, port: Number(extended) }
  const numbers = /(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)/.exec(message)?.slice(1).map(Number) ?? []
  const [high = 0, low = 0] = numbers.slice(4)
  return { host: numbers.slice(0, 4).join('.'), port: high * 256 + low }
}

function openRemote(client: Client, transport: FtpsTransport): FileDirectory {
  const list = () => client.list().catch(toFtpsError(transport))
  let listed: readonly FileInfo[] | null = null
  return {
    list: async () => {
      listed = await list()
      return new Set(listed.map(({ name }) => name))
    },
    open: async (name, maxBytes) => {
      listed ??= await list()
      const found = listed.find((entry) => entry.name === name)
      if (found === undefined) throw new AppError('SOURCE_UNAVAILABLE', `${name} is not there any more`)
      if (!found.isFile) throw fileError(`${name} is not a plain file`)
      return fetch(client, { name, bytes: found.size }, maxBytes).catch(toFtpsError(transport))
    },
  }
}

function fetch(client: Client, file: RemoteFile, maxBytes: number): Promise<FileHandle> {
  return copyPrivately(file, maxBytes, async (keep) => {
    const body = new PassThrough()
    const sending = client.downloadTo(body, file.name).catch((error: unknown) => {
      body.destroy()
      throw error
    })
    const keeping = keep(body).catch((error: unknown) => {
      client.close()
      throw error
    })
    const [sent, kept] = await Promise.allSettled([sending, keeping])
    if (kept.status === 'rejected' && kept.reason instanceof AppError) throw kept.reason
    if (sent.status === 'rejected') throw sent.reason
    if (kept.status === 'rejected') throw kept.reason
  })
}

/** The coded form of what the client threw. Of a server's answer only its three digits are taken over. */
function toFtpsError({ host, port }: FtpsTransport): (error: unknown) => never {
  return (error) => {
    if (error instanceof AppError) throw error
    const what = `${host}:${port} by FTPS`
    if (error instanceof FTPError) {
      // 4xx may pass by itself (RFC 959 §4.2.1); 550 is a folder that is not there, perhaps not yet.
      const code = error.code < 500 || error.code === 550 ? 'SOURCE_UNAVAILABLE' : 'SOURCE_REFUSED'
      throw new AppError(code, `${what}: answer ${error.code}`)
    }
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'no code'
    const isCertificate = /CERT|SIGNATURE|ISSUER|UNABLE_TO/.test(reason)
    throw new AppError(isCertificate ? 'SOURCE_REFUSED' : 'SOURCE_UNAVAILABLE', `${what}: ${reason}`)
  }
}
