import { AppError } from '../errors.ts'
import type { Manifest } from '../feeds/manifest-types.ts'
import { sourceAddresses } from '../feeds/source-addresses.ts'
import type { EgressGuard } from '../security/egress.ts'
import { coversPlace, type Endpoint } from '../security/endpoints.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { open } from '../security/seal.ts'
import type { Database } from '../store/database.ts'
import { listEndpoints } from '../store/endpoints.ts'
import type { Feed } from '../store/feeds.ts'
import { openSource } from './sources/open.ts'
import { openPushSource } from './sources/push.ts'
import type { Secrets, Source } from './sources/source.ts'

export interface SourceContext {
  readonly database: Database
  readonly keys: KeyRing
  /** What this installation may call at all. */
  readonly egress: EgressGuard
}

/** A manifest as it is about to be read, and who brought it in. */
type Readable = Pick<Feed, 'feedId' | 'code' | 'department' | 'secrets' | 'manifest' | 'origin'>

/** The clear secrets of a feed by the names its manifest uses. Throws SEAL_BROKEN, KEY_UNAVAILABLE. */
export function openSecrets({ code, secrets }: Pick<Feed, 'code' | 'secrets'>, keys: KeyRing): Secrets {
  return JSON.parse(open(keys.sealKey, `feed-secrets|${code}`, secrets)) as Secrets
}

/** What the manifest reads from that no endpoint of its department covers, in words. */
export function unregisteredPlaces(
  { source }: Pick<Manifest, 'source'>,
  endpoints: readonly Endpoint[],
): readonly string[] {
  return sourceAddresses(source)
    .filter((place) => !endpoints.some((endpoint) => coversPlace(endpoint, place)))
    .map(({ scheme, host, port }) => (scheme === 'file' ? `folder ${host}` : `${scheme} ${host}:${port}`))
}

/**
 * Opens what a feed reads. A feed of the API reaches the registered endpoints of its department and nothing else; one of an
 * operator reaches what the installation may call too. Throws EGRESS_FORBIDDEN for a place that nobody registered, and whatever
 * openSource throws.
 */
export async function openFeedSource({ database, keys, egress }: SourceContext, feed: Readable): Promise<Source> {
  if (feed.manifest.source.kind === 'push') return openPushSource({ database, keys, feed })
  const endpoints = await listEndpoints(database.query, feed.department)
  const network = endpoints.filter(({ scheme }) => scheme !== 'file')
  const secrets = openSecrets(feed, keys)
  if (feed.origin === 'operator') return openSource(feed.manifest, secrets, egress.widenedBy(network))
  const [missing] = unregisteredPlaces(feed.manifest, endpoints)
  if (missing !== undefined) {
    const detail = `${missing} is no registered endpoint of ${feed.department}; have the security administrator register it`
    throw new AppError('EGRESS_FORBIDDEN', detail)
  }
  return openSource(feed.manifest, secrets, egress.limitedTo(network))
}
