import { openFileWorld } from './cursor-file.ts'
import { httpKinds, openHttpWorld, type HttpKind } from './cursor-http.ts'
import { product as unchanged, type Product } from './cursor-product.ts'
import { keyOf, readToTheEnd, type World } from './cursor-world.ts'
import type { ReadWindow } from '../src/feeds/manifest-types.ts'
import { createRandom, type Random } from './random.ts'

export interface KindVerdict {
  readonly kind: string
  readonly schedules: number
  readonly rows: number
  readonly versions: number
  readonly lateCommits: number
  readonly ties: number
  readonly runs: number
  readonly pages: number
  readonly crashes: number
  /** Runs that ended with a code and were gone on with, by code. */
  readonly stopped: Readonly<Record<string, number>>
  /** Rows whose newest version was never handed out; must be 0. */
  readonly lost: number
  /** The first schedule that lost a row, to play it again. */
  readonly lostSeed: number | null
}

/** What is changed to see whether the kit notices. */
export interface Change {
  readonly product?: Product
  readonly window?: Partial<ReadWindow>
}

type OpenWorld = (random: Random, change: Change) => Promise<World>

const httpWorlds = Object.fromEntries(
  Object.keys(httpKinds).map((kind): readonly [string, OpenWorld] => [
    `http ${kind}`,
    (random, { product = unchanged, window = {} }) =>
      openHttpWorld({ kind: kind as HttpKind, product, random, change: window }),
  ]),
)

/** Every kind of reading, by the name that the verdict gives it. */
export const worlds: Readonly<Record<string, OpenWorld>> = {
  ...httpWorlds,
  file: (random, { product = unchanged }) => openFileWorld(product, random),
}

async function playSchedule(open: OpenWorld, seed: number, change: Change) {
  const random = createRandom(seed)
  const world = await open(random, change)
  try {
    const reading = await readToTheEnd(world, random)
    const newest = await world.newest()
    const lost = [...newest].filter(([id, version]) => !reading.handed.has(keyOf(id, version))).length
    return { ...world.counts(), ...reading, lost, seed }
  } finally {
    await world.close()
  }
}

const sum = <Name extends string>(all: readonly Readonly<Record<Name, number>>[], name: Name): number =>
  all.reduce((total, one) => total + one[name], 0)

/** Plays `schedules` seeded schedules of one kind of reading and counts what was lost. */
export async function proveKind(kind: string, schedules: number, seed: number, change: Change = {}): Promise<KindVerdict> {
  const open = worlds[kind]
  if (open === undefined) throw new Error(`no kind of reading is called ${kind}`)
  const played = []
  for (let number = 0; number < schedules; number++) played.push(await playSchedule(open, seed + number, change))
  const stopped = Object.groupBy(played.flatMap((one) => one.stopped), (code) => code)
  return {
    kind,
    schedules,
    rows: sum(played, 'rows'),
    versions: sum(played, 'versions'),
    lateCommits: sum(played, 'lateCommits'),
    ties: sum(played, 'ties'),
    runs: sum(played, 'runs'),
    pages: sum(played, 'pages'),
    crashes: sum(played, 'crashes'),
    stopped: Object.fromEntries(Object.entries(stopped).map(([code, all]) => [code, all?.length ?? 0])),
    lost: sum(played, 'lost'),
    lostSeed: played.find((one) => one.lost > 0)?.seed ?? null,
  }
}
