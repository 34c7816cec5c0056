import type { Manifest, SourceManifest } from '../src/feeds/manifest-types.ts'

/** What a proof changes of a manifest to see whether rows are lost then. */
export type ManifestChange = (manifest: Manifest) => Manifest

export const unchanged: ManifestChange = (manifest) => manifest

/** A manifest around a source; its mapping is empty, because the rows are judged as they come. */
export function manifestAround(source: SourceManifest): Manifest {
  return {
    manifestVersion: 1,
    feed: {
      code: 'PROVE-CURSOR-001',
      department: 'proof',
      dataset: 'resident',
      title: '游标验证',
      titleEn: 'Cursor proof',
      updateCycle: 'P1D',
    },
    source,
    record: { id: '/id', updatedAt: '/at' },
    map: [],
    deletes: { kind: 'none' },
    quality: { errorBudget: { records: 0, ratio: 0 } },
    limits: { pageBytes: 1_000_000, pages: 100_000 },
    schedule: { cron: '0 2 * * *', timezone: 'Asia/Shanghai' },
  }
}
