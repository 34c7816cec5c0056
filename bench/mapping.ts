import { feedCodes, type FeedCode } from '../demo/city/feeds.ts'
import { openCitySource } from '../demo/city/source.ts'
import { projectRoot } from '../demo/processes.ts'
import { loadDatasets } from '../src/feeds/datasets.ts'
import { listConnectors, readManifest } from '../src/feeds/manifest.ts'
import { compileMapping } from '../src/ingest/map.ts'
import type { SourceRow } from '../src/record.ts'
import { median } from './figures.ts'

export interface MappingResult {
  /** Records per second on one core, over all feeds. */
  readonly rate: number
  /** Each feed: properties mapped, and records per second. */
  readonly feeds: Readonly<Record<string, { readonly properties: number; readonly rate: number }>>
}

const ROUND_MS = 300

function measure(map: (row: SourceRow) => unknown, rows: readonly SourceRow[]): number {
  const startedAt = performance.now()
  let mapped = 0
  while (performance.now() - startedAt < ROUND_MS) {
    for (const row of rows) map(row)
    mapped += rows.length
  }
  return mapped / ((performance.now() - startedAt) / 1000)
}

function rowsOf(feed: FeedCode, records: number): readonly SourceRow[] {
  const city = openCitySource({ residents: Math.max(records, 20), seed: 1, clean: true }, feed)
  const most = Math.min(city.layout.total, 1000)
  // As they come off the wire: parsed, so that every row has the shape that JSON.parse gives it.
  return Array.from({ length: most }, (_, row) => ({ row, value: JSON.parse(JSON.stringify(city.rowAt(row))) }))
}

/** Mapping alone, on one core: what a page costs before it is judged. */
export async function benchMapping(records: number, rounds: number): Promise<MappingResult> {
  const datasets = loadDatasets()
  const feeds: Record<string, { properties: number; rate: number }> = {}
  for (const { path } of listConnectors(`${projectRoot}/connectors`)) {
    const manifest = readManifest(path, datasets)
    const dataset = datasets.get(manifest.feed.dataset)
    const own = feedCodes.find((code) => code === manifest.feed.code)
    if (dataset === undefined || own === undefined) continue
    const map = compileMapping(manifest, dataset)
    const rows = rowsOf(own, records)
    const rates = Array.from({ length: rounds * 3 }, () => measure(map, rows))
    feeds[manifest.feed.code] = { properties: manifest.map.length, rate: Math.round(median(rates)) }
  }
  const rates = Object.values(feeds).map((feed) => feed.rate)
  return { rate: Math.round(rates.length / rates.reduce((sum, rate) => sum + 1 / rate, 0)), feeds }
}
