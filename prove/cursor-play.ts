import { kinds, type Cast, type Stage } from './cursor-kinds.ts'
import { unchanged } from './cursor-manifest.ts'
import { product } from './cursor-product.ts'
import { keyOf, readToTheEnd } from './cursor-world.ts'
import { createRandom } from './random.ts'

export interface KindVerdict {
  readonly kind: string
  readonly schedules: number
  readonly rows: number
  readonly versions: number
  /** Transactions that committed after one with a later update time. */
  readonly lateCommits: number
  /** Versions that share their update time with another row. */
  readonly ties: number
  readonly runs: number
  readonly pages: number
  readonly crashes: number
  /** Runs that ended with a code and were gone on with, by code. */
  readonly stopped: Readonly<Record<string, number>>
  /** Rows whose newest version was never handed out; must be 0. */
  readonly lost: number
  /** Schedules whose last run never came to its end; must be 0. */
  readonly unended: number
  /** The first schedule that lost a row, to play it again. */
  readonly lostSeed: number | null
  readonly seconds: number
}

const asItIs: Cast = { product, change: unchanged }

async function playSchedule(stage: Stage, seed: number, cast: Cast) {
  const random = createRandom(seed)
  const world = await stage.openWorld(random, cast)
  try {
    const reading = await readToTheEnd(world, random)
    const newest = await world.newest()
    const lost = [...newest].filter(([id, version]) => !reading.handed.has(keyOf(id, version))).length
    return { ...world.counts(), ...reading, lost, seed }
  } finally {
    await world.close()
  }
}

type Played = Awaited<ReturnType<typeof playSchedule>>

const summed = ['rows', 'versions', 'lateCommits', 'ties', 'runs', 'pages', 'crashes', 'lost'] as const

function sumUp(kind: string, played: readonly Played[], startedAt: number): KindVerdict {
  const total = (name: (typeof summed)[number]): number => played.reduce((sum, one) => sum + one[name], 0)
  const sums = Object.fromEntries(summed.map((name) => [name, total(name)])) as Record<(typeof summed)[number], number>
  const codes = Map.groupBy(
    played.flatMap((one) => one.stopped),
    (code) => code,
  )
  return {
    kind,
    schedules: played.length,
    ...sums,
    stopped: Object.fromEntries([...codes].map(([code, all]) => [code, all.length])),
    unended: played.filter(({ ended }) => !ended).length,
    lostSeed: played.find((one) => one.lost > 0)?.seed ?? null,
    seconds: Math.round((performance.now() - startedAt) / 100) / 10,
  }
}

/** Plays `schedules` seeded schedules of one kind of reading, from `seed` on, and counts what was lost. */
export async function proveKind(kind: string, schedules: number, seed: number, cast = asItIs): Promise<KindVerdict> {
  const { openStage, sideBySide } = kinds[kind] ?? unknownKind(kind)
  const startedAt = performance.now()
  const stage = await openStage()
  const seeds = Array.from({ length: schedules }, (_, number) => seed + number)
  const played: Played[] = []
  const work = async (): Promise<void> => {
    for (let next = seeds.shift(); next !== undefined; next = seeds.shift()) {
      played.push(await playSchedule(stage, next, cast))
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.min(sideBySide, schedules) }, work))
    return sumUp(kind, played, startedAt)
  } finally {
    await stage.close()
  }
}

function unknownKind(kind: string): never {
  throw new Error(`no kind of reading is called ${kind}; there are ${Object.keys(kinds).join(', ')}`)
}
