import type { Cursor, Source, SourcePage } from '../src/ingest/sources/source.ts'
import type { WriteCounts } from './cursor-writes.ts'
import type { Random } from './random.ts'

/** One department under one schedule: it is written to while its feed is read. Rows are `{ id, v, … }`. */
export interface World {
  readonly open: () => Promise<Source>
  readonly now: () => Date
  /** Lets the department write for so long. */
  readonly pass: (ms: number) => Promise<void>
  /** True when everything was written and has settled. */
  readonly isOver: () => boolean
  /** What else the commit of a page does in the ledger. */
  readonly commit?: (page: SourcePage) => Promise<void>
  /** The newest version of every row, by id. Read at the end. */
  readonly newest: () => Promise<ReadonlyMap<string, number>>
  readonly counts: () => WriteCounts
  readonly close: () => Promise<void>
  /** About how long the department is left alone between two runs. */
  readonly pauseMs: number
}

export interface Reading {
  readonly handed: ReadonlySet<string>
  readonly runs: number
  readonly pages: number
  readonly crashes: number
  /** Runs that ended with a code instead of silently; the next run went on at the saved cursor. */
  readonly stopped: readonly string[]
  /** Whether a last run came to its end. One that ends with a code each time loses no row in silence, but brings none either. */
  readonly ended: boolean
}

/** What a worker holds that a crash takes away, and what the ledger keeps. */
interface Desk {
  readonly world: World
  readonly random: Random
  readonly handed: Set<string>
  readonly stopped: string[]
  source: Source
  cursor: Cursor | null
  runs: number
  pages: number
  crashes: number
}

const PAGE_MS = 0.15
const MOST_LAST_RUNS = 20

export const keyOf = (id: unknown, version: unknown): string => `${String(id)}@${String(version)}`

/** The ledger's commit of a page: its rows and its cursor, which rests as JSON. */
async function savePage(desk: Desk, page: SourcePage): Promise<void> {
  await desk.world.commit?.(page)
  for (const { value } of page.rows) {
    const row = value as Readonly<Record<string, unknown>>
    desk.handed.add(keyOf(row['id'], row['v']))
  }
  desk.cursor = JSON.parse(JSON.stringify(page.cursor)) as Cursor
  desk.pages += 1
}

/** The worker is gone and another goes on at the saved cursor. */
async function crash(desk: Desk): Promise<void> {
  await desk.source.close()
  desk.source = await desk.world.open()
  desk.crashes += 1
}

const codeOf = (error: unknown): string => {
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code === 'string') return code
  throw error
}

/** Reads pages until the run is over, with crashes before and after the commit of a page. */
async function readRun(desk: Desk): Promise<boolean> {
  const { world, random } = desk
  desk.runs += 1
  try {
    for (;;) {
      const page = await desk.source.readPage(desk.cursor, world.now())
      const dies = random(12)
      if (dies !== 0) await savePage(desk, page)
      // The department hears that a page is saved only from a worker that lives.
      if (dies > 1) await page.saved?.()
      if (dies <= 1) await crash(desk)
      if (page.done && dies !== 0) return true
      await world.pass(random(world.pauseMs * PAGE_MS))
    }
  } catch (error) {
    desk.stopped.push(codeOf(error))
    await crash(desk)
    return false
  }
}

/** Runs the feed again and again while its department writes, and once more after everything has settled. */
export async function readToTheEnd(world: World, random: Random): Promise<Reading> {
  const source = await world.open()
  const desk: Desk = {
    world,
    random,
    handed: new Set(),
    stopped: [],
    source,
    cursor: null,
    runs: 0,
    pages: 0,
    crashes: 0,
  }
  while (!world.isOver()) {
    // After a long pause the window is long, so that rows leave it while it is read.
    const isLong = desk.runs === 0 || random(6) === 0
    await world.pass(random(world.pauseMs * (isLong ? 10 : 1)))
    await readRun(desk)
  }
  let ended = false
  for (let attempt = 0; !ended && attempt < MOST_LAST_RUNS; attempt++) {
    if (attempt > 0) await world.pass(world.pauseMs)
    ended = await readRun(desk)
  }
  await desk.source.close()
  return { ...desk, ended }
}
