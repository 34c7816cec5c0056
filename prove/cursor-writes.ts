import type { Random } from './random.ts'

/** One version of one row of a simulated department. Times are milliseconds of the department's clock. */
export interface Version {
  readonly id: string
  readonly version: number
  /** The update time that the row carries; it is taken before the commit, which is why commits come late. */
  readonly at: number
}

/** Rows that become visible together. */
export interface Commit {
  readonly versions: readonly Version[]
  readonly begunAt: number
  readonly committedAt: number
}

export interface WritePlan {
  readonly transactions: number
  /** Transactions begin within this time. */
  readonly spanMs: number
  readonly settleMs: number
  readonly lookbackMs: number
  /** Update times are cut to this, so that many rows share one. */
  readonly grainMs: number
  /** Rows of a bulk import, all with one update time. */
  readonly bulk: number
}

/** No commit comes later after its update time than settle window and look-back together: that much a department promises. */
function pickDelay({ settleMs, lookbackMs, grainMs }: WritePlan, random: Random): number {
  const kind = random(10)
  if (kind < 5) return random(Math.max(1, settleMs / 10))
  if (kind < 8) return random(Math.max(1, settleMs))
  return random(Math.max(1, settleMs + lookbackMs - 2 * grainMs))
}

/** Rows that no open transaction holds, or new ones: a row is written by one transaction at a time. */
function pickIds(count: number, free: readonly string[], known: number, random: Random): readonly string[] {
  const ids = new Set<string>()
  let fresh = known
  for (let place = 0; place < count; place++) {
    const old = random(2) === 0 ? free[random(free.length)] : undefined
    ids.add(old ?? `r-${fresh++}`)
  }
  return [...ids]
}

/** Transactions as a busy department commits them: late, out of the order of their times, many rows with one time. */
export function planWrites(plan: WritePlan, start: number, random: Random): readonly Commit[] {
  const beginnings = Array.from({ length: plan.transactions }, () => start + random(plan.spanMs)).sort((a, b) => a - b)
  const rows = new Map<string, { version: number; freeAt: number }>()
  const commits = beginnings.map((begunAt, number) => {
    const at = begunAt - (begunAt % plan.grainMs)
    const committedAt = Math.max(begunAt + 1, at + pickDelay(plan, random))
    const free = [...rows].filter(([, row]) => row.freeAt < begunAt).map(([id]) => id)
    const count = number % 17 === 9 ? plan.bulk : 1 + random(3)
    const versions = pickIds(count, free, rows.size, random).map((id) => {
      const version = (rows.get(id)?.version ?? 0) + 1
      rows.set(id, { version, freeAt: committedAt })
      return { id, version, at }
    })
    return { versions, begunAt, committedAt }
  })
  return commits.toSorted((a, b) => a.committedAt - b.committedAt)
}

export interface WriteCounts {
  readonly rows: number
  readonly versions: number
  /** Transactions that committed after one with a later update time. */
  readonly lateCommits: number
  /** Versions that share their update time with another row. */
  readonly ties: number
}

/** What a list of commits, in the order of commits, asked of whoever read it. */
export function countWrites(commits: readonly Pick<Commit, 'versions'>[]): WriteCounts {
  const versions = commits.flatMap((commit) => commit.versions)
  const sharing = Map.groupBy(versions, (version) => version.at)
  let newest = 0
  let lateCommits = 0
  for (const { at } of commits.flatMap((commit) => commit.versions.slice(0, 1))) {
    if (at < newest) lateCommits += 1
    newest = Math.max(newest, at)
  }
  return {
    rows: new Set(versions.map((version) => version.id)).size,
    versions: versions.length,
    lateCommits,
    ties: versions.filter((version) => (sharing.get(version.at)?.length ?? 0) > 1).length,
  }
}
