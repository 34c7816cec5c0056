import { readFileSync } from 'node:fs'
import type { Manifest } from '../src/feeds/manifest-types.ts'
import { loadDatasets, type Dataset } from '../src/feeds/datasets.ts'
import { parseManifest } from '../src/feeds/manifest.ts'
import { readPeakMb } from '../test/support/peak-memory.ts'
import type { Secrets } from '../src/ingest/sources/source.ts'

/** What a loader is told: which source to load into which database. */
export interface LoaderTask {
  readonly databaseUrl: string
  /** A manifest as JSON, pointed at the running source. */
  readonly manifest: unknown
  readonly secrets: Secrets
  readonly records: number
  /** Goes on from where the load before left the feed, instead of beginning anew. */
  readonly again: boolean
}

/** What a loader answers. `records` are those that were loaded, new or unchanged. */
export interface LoaderAnswer {
  readonly records: number
  readonly seconds: number
  readonly peakRssMb: number
}

/** Reads the task that the bench hands to a loader. */
export function readTask(): LoaderTask {
  return JSON.parse(readFileSync(0, 'utf8')) as LoaderTask
}

/** The manifest of the task's feed and the dataset it fills. */
export function readManifest(task: LoaderTask): { readonly manifest: Manifest; readonly dataset: Dataset } {
  const datasets = loadDatasets()
  const manifest = parseManifest(task.manifest, datasets)
  const dataset = datasets.get(manifest.feed.dataset)
  if (dataset === undefined) throw new Error('the manifest names an unknown dataset')
  return { manifest, dataset }
}

/** Tells the bench what was loaded, how long it took and the most memory this process held. */
export function answer(records: number, startedAt: number): void {
  const seconds = (performance.now() - startedAt) / 1000
  process.stdout.write(JSON.stringify({ records, seconds, peakRssMb: Math.round(readPeakMb()) }))
}
