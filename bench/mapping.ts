import { setFlagsFromString } from 'node:v8'
import { feedCodes, type FeedCode } from '../demo/city/feeds.ts'
import { openCitySource, type CitySource } from '../demo/city/source.ts'
import { formatTime, spreadTimes } from '../demo/city/update-times.ts'
import { projectRoot } from '../demo/processes.ts'
import { loadDatasets } from '../src/feeds/datasets.ts'
import { listConnectors, readManifest } from '../src/feeds/manifest.ts'
import type { Manifest } from '../src/feeds/manifest-types.ts'
import { compileMapping } from '../src/ingest/map.ts'
import { clockOf } from '../src/ingest/sources/http-time.ts'
import type { SourceRow } from '../src/record.ts'
import { median } from './figures.ts'
import { copyResident } from './mapping-floor.ts'

interface MappedRate {
  /** Rows that the demo city has of it. */
  readonly rows: number
  /** Records per second of CPU time, that is on one core. */
  readonly rate: number
}

export interface MappingResult {
  /** Records per second on one core, over all rows of the demo city: all of its feeds, in one process, as many as it has. */
  readonly rate: number
  readonly datasets: Readonly<Record<string, MappedRate>>
  /** A hand-written literal that copies the 30 fields of a resident and looks at none. */
  readonly residentFloor: number
}

type MapRow = (row: SourceRow) => unknown

/** One feed as it is measured: its rows as the texts of pages, and what maps them. */
interface Candidate {
  readonly dataset: string
  readonly rows: number
  readonly pages: readonly string[]
  readonly map: MapRow
}

const CITY = { residents: 20_000, seed: 1, clean: true } as const
const PAGE_ROWS = 1000
const MOST_PAGES = 5
/** So many times each feed is mapped in one round. */
const TURNS = 30

/** Columns that stand beside the city's fields where a department hands them out: when a row changed, and its delete flag. */
function columnsBeside({ record, source, deletes }: Manifest, city: CitySource): (row: number) => object {
  const clock = clockOf(source.kind === 'http' ? source.incremental?.time : undefined)
  const write = source.kind === 'http' && source.incremental?.time !== undefined ? clock.write : formatTime
  const times = spreadTimes(city.layout.total)
  const flag = deletes.kind === 'flag' ? { [deletes.pointer.slice(1)]: 'U' } : {}
  const pointer = record.updatedAt
  return (row) => (pointer === undefined ? flag : { ...flag, [pointer.slice(1)]: write(times.timeAt(row)) })
}

function openCandidate(manifest: Manifest, feed: FeedCode, map: MapRow): Candidate {
  const city = openCitySource(CITY, feed)
  const rows = city.layout.total
  const beside = columnsBeside(manifest, city)
  const rowAt = (row: number): object => ({ ...beside(row), ...(city.rowAt(row) as object) })
  const pages = Array.from({ length: Math.min(MOST_PAGES, Math.ceil(rows / PAGE_ROWS)) }, (_, page) => {
    const first = page * PAGE_ROWS
    return JSON.stringify(Array.from({ length: Math.min(PAGE_ROWS, rows - first) }, (__, row) => rowAt(first + row)))
  })
  return { dataset: manifest.feed.dataset, rows, pages, map }
}

function openCandidates(): readonly Candidate[] {
  const datasets = loadDatasets()
  return listConnectors(`${projectRoot}/connectors`).flatMap(({ path }) => {
    const manifest = readManifest(path, datasets)
    const dataset = datasets.get(manifest.feed.dataset)
    const feed = feedCodes.find((code) => code === manifest.feed.code)
    if (dataset === undefined || feed === undefined) return []
    return [openCandidate(manifest, feed, compileMapping(manifest, dataset))]
  })
}

/** CPU time of all threads, so that neither the neighbours of the machine nor a collector beside this thread are left out. */
function cpuMicroseconds(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** Microseconds for each row. Every page is parsed anew, outside the measure: a row that was mapped before would be warm. */
function measure({ pages, map }: Candidate): number {
  let spent = 0
  let mapped = 0
  for (let turn = 0; turn < TURNS; turn++) {
    for (const page of pages) {
      const values = JSON.parse(page) as readonly unknown[]
      const rows = values.map((value, row) => ({ row, value }))
      const startedAt = cpuMicroseconds()
      mapped += rows.map(map).length
      spent += cpuMicroseconds() - startedAt
    }
  }
  return spent / mapped
}

function rateOf(measured: readonly { readonly rows: number; readonly cost: number }[]): MappedRate {
  const rows = measured.reduce((sum, one) => sum + one.rows, 0)
  return { rows, rate: Math.round((rows * 1e6) / measured.reduce((sum, one) => sum + one.rows * one.cost, 0)) }
}

/** Mapping alone, on one core: what a page costs before it is judged. */
export function benchMapping(_records: number, rounds: number): MappingResult {
  // On one core nobody helps to clean up memory, and helpers that wait for one another would be counted as work.
  setFlagsFromString('--no-parallel-scavenge')
  const candidates = openCandidates()
  const resident = candidates.find(({ dataset }) => dataset === 'resident')
  if (resident === undefined) throw new Error('no connector of residents')
  const contenders = [...candidates, { ...resident, map: copyResident }]
  const costs = contenders.map((): number[] => [])
  // The feeds take turns, as in a worker: none has the compiled code to itself.
  for (let round = 0; round <= rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      const cost = measure(contender)
      if (round > 0) costs[index]?.push(cost)
    }
  }
  const measured = contenders.map(({ dataset, rows }, index) => ({ dataset, rows, cost: median(costs[index] ?? []) }))
  const floor = measured.splice(-1)
  return {
    rate: rateOf(measured).rate,
    datasets: Object.fromEntries(
      Object.entries(Object.groupBy(measured, ({ dataset }) => dataset)).map(([name, group]) => [
        name,
        rateOf(group ?? []),
      ]),
    ),
    residentFloor: rateOf(floor).rate,
  }
}
