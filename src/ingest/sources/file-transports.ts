import { AppError } from '../../errors.ts'
import type { FileSourceManifest, FileTransport } from '../../feeds/manifest-file.ts'
import type { EgressGuard } from '../../security/egress.ts'
import type { TransportOptions, VisitDirectory } from './file-directory.ts'
import { visitFtps } from './file-ftps.ts'
import { visitLocal } from './file-local.ts'
import { visitSftp } from './file-sftp.ts'
import type { Secrets } from './source.ts'

type TransportByKind = { readonly [Kind in FileTransport['kind']]: Extract<FileTransport, { readonly kind: Kind }> }

type Opener<Kind extends keyof TransportByKind> = (
  transport: TransportByKind[Kind],
  options: TransportOptions,
) => VisitDirectory

const openers: { readonly [Kind in keyof TransportByKind]: Opener<Kind> } = {
  sftp: (transport, options) => visitSftp(transport, options),
  ftps: (transport, options) => visitFtps(transport, options),
  local: (_, { directory }) => visitLocal(directory),
}

/**
 * The way to the directory of a manifest. Throws AppError SECRET_MISSING, and MANIFEST_INVALID for a path that climbs; nothing
 * is connected before the first visit.
 */
export function openDirectory(manifest: FileSourceManifest, secrets: Secrets, egress: EgressGuard): VisitDirectory {
  if (manifest.directory.split(/[/\\]/).includes('..')) {
    throw new AppError('MANIFEST_INVALID', 'the directory of a file source is written without ..')
  }
  const transport = manifest.transport ?? { kind: 'local' }
  return openKind(transport.kind, transport, { directory: manifest.directory, secrets, egress })
}

function openKind<Kind extends keyof TransportByKind>(
  kind: Kind,
  transport: TransportByKind[Kind],
  options: TransportOptions,
): VisitDirectory {
  return openers[kind](transport, options)
}
