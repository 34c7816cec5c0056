import { AppError } from '../../errors.ts'
import type { Manifest, SourceManifest } from '../../feeds/manifest-types.ts'
import type { EgressGuard } from '../../security/egress.ts'
import { openFileSource } from './file.ts'
import { openHttpSource } from './http.ts'
import type { Secrets, Source } from './source.ts'
import { openSqlSource } from './sql.ts'

type SourceByKind = { readonly [Kind in SourceManifest['kind']]: Extract<SourceManifest, { readonly kind: Kind }> }

type Opener<Kind extends keyof SourceByKind> = (
  source: SourceByKind[Kind],
  manifest: Manifest,
  secrets: Secrets,
  egress: EgressGuard,
) => Promise<Source>

const openers: { readonly [Kind in keyof SourceByKind]: Opener<Kind> } = {
  http: async (source, { limits, record }, secrets, egress) =>
    openHttpSource({ manifest: source, limits, secrets, egress, recordId: record.id, updatedAt: record.updatedAt }),
  sql: (source, { limits, record }, secrets, egress) =>
    openSqlSource({ manifest: source, limits, secrets, egress, recordId: record.id }),
  file: async (source, { limits }, secrets, egress) => openFileSource({ manifest: source, limits, secrets, egress }),
  push: async () => {
    throw new AppError('MANIFEST_INVALID', 'a push source is called by its department; it is opened by openFeedSource')
  },
}

/**
 * Opens the department system that a manifest describes. Throws AppError SECRET_MISSING naming the secret that was not given,
 * EGRESS_FORBIDDEN, MANIFEST_INVALID, and for SQL also SOURCE_UNAVAILABLE and SOURCE_REFUSED.
 */
export function openSource(manifest: Manifest, secrets: Secrets, egress: EgressGuard): Promise<Source> {
  return openKind(manifest.source.kind, manifest.source, manifest, secrets, egress)
}

function openKind<Kind extends keyof SourceByKind>(
  kind: Kind,
  source: SourceByKind[Kind],
  manifest: Manifest,
  secrets: Secrets,
  egress: EgressGuard,
): Promise<Source> {
  return openers[kind](source, manifest, secrets, egress)
}
