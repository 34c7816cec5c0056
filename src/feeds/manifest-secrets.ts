import type { SourceManifest } from './manifest-types.ts'

/** The names of the secrets that a manifest's source refers to. The secrets themselves are never in a manifest. */
export function secretNames(source: SourceManifest): readonly string[] {
  if (source.kind === 'sql') return [source.password]
  if (source.kind === 'file' || source.auth.kind === 'none') return []
  return source.auth.kind === 'bearer' ? [source.auth.token] : [source.auth.appKey, source.auth.appSecret]
}
