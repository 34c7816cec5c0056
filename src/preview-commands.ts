import { operator, readGivenManifest, within, type AddFeedOptions } from './commands.ts'
import type { Config } from './config.ts'
import { datasetOf, previewSource, type Preview } from './ingest/preview.ts'
import { openSource } from './ingest/sources/open.ts'
import { createEgressGuard } from './security/egress.ts'
import { auditBeforeAnswer } from './store/audit-log.ts'

/**
 * `feed preview`: reads the first page of a manifest's source and gives its first rows raw, mapped and masked. Nothing is registered
 * or kept; who holds the secrets of the source may see its rows. The audit entry is committed before anything is shown.
 */
export async function previewManifest(config: Config, file: string, options: AddFeedOptions): Promise<Preview> {
  const { manifest, secrets } = readGivenManifest(file, options)
  const { code, dataset } = manifest.feed
  return within(config, async ({ database, datasets, keys }) => {
    const request = { manifest, dataset: datasetOf(manifest, datasets), keys, showsClear: true }
    const source = await openSource(manifest, secrets, createEgressGuard(config.egressAllow))
    try {
      const { preview, subjects } = await previewSource(source, request)
      const outputDigest = keys.token('audit', JSON.stringify(preview))
      const fact = { type: 'feed.previewed', actor: operator(), outcome: 'ok', feed: code, dataset } as const
      await auditBeforeAnswer(database, code, config.auditDeadlineMs, ({ audit }) =>
        audit({ ...fact, count: preview.rows.length, outputDigest, subjects, details: { clear: true } }),
      )
      return preview
    } finally {
      await source.close().catch(() => undefined)
    }
  })
}
