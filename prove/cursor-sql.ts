import { setTimeout as wait } from 'node:timers/promises'
import type { ReadWindow, SqlSourceManifest } from '../src/feeds/manifest-types.ts'
import { manifestAround, type ManifestChange } from './cursor-manifest.ts'
import type { Product } from './cursor-product.ts'
import type { World } from './cursor-world.ts'
import { countWrites, planWrites, type Commit, type Version, type WritePlan } from './cursor-writes.ts'
import type { Random } from './random.ts'

/** One connection of a department's own program, which writes a transaction at a time. */
export interface SqlWriter {
  readonly begin: () => Promise<void>
  /** Writes new versions of the rows, all with one update time of the database's clock cut to `grainMs`, and gives that time. */
  readonly write: (table: string, versions: readonly Version[], grainMs: number) => Promise<number>
  readonly commit: () => Promise<void>
  readonly rollback: () => Promise<void>
  /** The database's clock. */
  readonly now: () => Promise<number>
  readonly close: () => Promise<void>
}

/** Rows that change in place, or an exchange table that holds one row for each change. */
export type SqlTableKind = 'keyset' | 'exchange'

/** A real database of a department, shared by many schedules, each with a table of its own. */
export interface SqlServer {
  readonly kind: SqlTableKind
  readonly createTable: (table: string) => Promise<void>
  /** The newest version of each row as the database has it in the end. */
  readonly readTable: (table: string) => Promise<ReadonlyMap<string, number>>
  readonly openWriter: () => Promise<SqlWriter>
  readonly source: Omit<SqlSourceManifest, 'table' | 'columns' | 'reading' | 'pageSize'>
  readonly secrets: Readonly<Record<string, string>>
  readonly close: () => Promise<void>
}

// The smallest windows that a manifest can state, because the database's clock cannot be made to run faster.
const SETTLE_S = 1
const LOOKBACK_S = 1

const plan: WritePlan = {
  transactions: 24,
  spanMs: 1500,
  settleMs: SETTLE_S * 1000,
  // What a busy machine may delay a commit beyond its plan.
  lookbackMs: LOOKBACK_S * 1000 - 300,
  grainMs: 100,
  bulk: 6,
}

const WRITERS = 7

/** What the writers of one schedule did. */
interface Deeds {
  readonly commits: Commit[]
  /** Rows whose commit came later than the department promises, because this machine was too busy. They prove nothing. */
  readonly excused: Set<string>
}

interface Writing {
  readonly table: string
  readonly startedAt: number
  readonly deeds: Deeds
}

/** Begins, writes and commits when the plan says so. A commit later than promised is noted, by the database's own clock. */
async function writeOne(writer: SqlWriter, { table, startedAt, deeds }: Writing, commit: Commit): Promise<void> {
  await wait(Math.max(0, startedAt + commit.begunAt - Date.now()))
  await writer.begin()
  try {
    const at = await writer.write(table, commit.versions, plan.grainMs)
    await wait(Math.max(0, startedAt + commit.committedAt - Date.now()))
    await writer.commit()
    const committedAt = await writer.now()
    const versions = commit.versions.map((version) => ({ ...version, at }))
    deeds.commits.push({ versions, begunAt: commit.begunAt, committedAt })
    if (committedAt - at < (SETTLE_S + LOOKBACK_S) * 1000) return
    for (const { id } of versions) deeds.excused.add(id)
  } catch {
    // A deadlock or a lock that took too long: a department's program gives such a transaction up too.
    await writer.rollback()
  }
}

/** Each writer takes the next transaction of the plan when it is free. */
async function writeAll(server: SqlServer, writing: Writing, random: Random): Promise<void> {
  const waiting = [...planWrites(plan, 0, random)].sort((a, b) => a.begunAt - b.begunAt)
  const work = async (): Promise<void> => {
    const writer = await server.openWriter()
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await writeOne(writer, writing, next)
    await writer.close()
  }
  await Promise.all(Array.from({ length: WRITERS }, work))
}

export interface SqlWorldOptions {
  readonly server: SqlServer
  readonly product: Product
  readonly random: Random
  readonly change: ManifestChange
}

const flag = { column: 'flag', ready: ['0'], done: '1', mark: true }

const readings: Readonly<Record<SqlTableKind, (window: ReadWindow) => Pick<SqlSourceManifest, 'columns' | 'reading'>>> =
  {
    keyset: (window) => ({
      columns: ['id', 'at', 'v'],
      reading: { kind: 'keyset', updatedAt: 'at', id: 'id', window },
    }),
    exchange: (window) => ({
      columns: ['seq', 'id', 'at', 'v', 'flag'],
      reading: { kind: 'exchange', operationTime: 'at', id: 'seq', window, flag },
    }),
  }

function manifestOf(server: SqlServer, table: string, pageSize: number) {
  const window = { settleSeconds: SETTLE_S, lookbackSeconds: LOOKBACK_S, start: '2026-01-01T00:00:00Z' }
  return manifestAround({
    ...server.source,
    table,
    ...readings[server.kind](window),
    pageSize,
  })
}

let tables = 0

/** A table of a real database with transactions that commit late and out of order, in real time. */
export async function openSqlWorld({ server, product, random, change }: SqlWorldOptions): Promise<World> {
  const table = `people_${++tables}`
  await server.createTable(table)
  const manifest = change(manifestOf(server, table, 2 + random(3)))
  const egress = product.createEgressGuard(['loopback'])
  const deeds: Deeds = { commits: [], excused: new Set() }
  let overAt = Infinity
  const writing = writeAll(server, { table, startedAt: Date.now() + 50, deeds }, random).finally(() => {
    // A little beyond the window, so that the last run reads up to the last commit.
    overAt = Date.now() + plan.settleMs + plan.grainMs
  })
  return {
    open: () => product.openSource(manifest, server.secrets, egress),
    now: () => new Date(),
    pass: (ms) => wait(ms),
    isOver: () => Date.now() > overAt,
    newest: async () => new Map([...(await server.readTable(table))].filter(([id]) => !deeds.excused.has(id))),
    counts: () => countWrites(deeds.commits.toSorted((a, b) => a.committedAt - b.committedAt)),
    close: () => writing,
    pauseMs: 120,
  }
}
