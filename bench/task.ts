import { readFileSync } from 'node:fs'
import type { Manifest } from '../src/feeds/manifest-types.ts'
import { loadDatasets, type Dataset } from '../src/feeds/datasets.ts'
import { parseManifest } from '../src/feeds/manifest.ts'
import { projectRoot } from '../demo/processes.ts'
import type { IngestTask } from './ingest.ts'

/** Reads the task that the bench hands to a loader. */
export function readTask(): IngestTask {
  return JSON.parse(readFileSync(0, 'utf8')) as IngestTask
}

/** The manifest of the task's feed, pointed at the running source. */
export function readManifest(task: IngestTask): { readonly manifest: Manifest; readonly dataset: Dataset } {
  const datasets = loadDatasets()
  const written = JSON.parse(readFileSync(`${projectRoot}/${task.feed.manifest}`, 'utf8')) as { source: object }
  const manifest = parseManifest(
    { ...written, source: { ...written.source, baseUrl: task.feed.set['/source/baseUrl'] } },
    datasets,
  )
  const dataset = datasets.get(manifest.feed.dataset)
  if (dataset === undefined) throw new Error('the manifest names an unknown dataset')
  return { manifest, dataset }
}

/** Tells the bench what was loaded, how long it took and the most memory this process held. */
export function answer(records: number, startedAt: number): void {
  const seconds = (performance.now() - startedAt) / 1000
  const peakRssMb = Math.round(process.resourceUsage().maxRSS / 1024)
  process.stdout.write(JSON.stringify({ records, seconds, peakRssMb }))
}
