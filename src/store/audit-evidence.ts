import pg from 'pg'
import type { Tile } from '../audit/tiles.ts'
import type { TreeAlgorithm } from '../audit/tree-hash.ts'
import type { StoredEntry } from '../audit/verify.ts'
import { AppError } from '../errors.ts'
import { STORED_ENTRY } from './audit-log.ts'
import { splitHashes } from './hashes.ts'
import type { Query } from './database.ts'

/** An entry and its place in the tree. */
export interface PlacedEntry extends StoredEntry {
  readonly index: number
}

export interface PublishedCheckpoint {
  readonly size: number
  readonly note: string
}

/** Places from `from` up to but not with `to`, numbered from 0. */
export interface Places {
  readonly from: number
  readonly to: number
}

/** One tree of the log. */
export interface TreeEvidence {
  readonly checkpoints: readonly PublishedCheckpoint[]
  /** How many leaves it has. */
  readonly size: number
  readonly tiles: () => AsyncIterable<Tile>
}

/** A consistent view of the log as it lies there, for handing out. It judges nothing: what is gone is left out. */
export interface Evidence extends TreeEvidence {
  /** The tree over SM3; not there where nothing was signed of it. */
  readonly sm3?: TreeEvidence
  readonly placesBetween: (from: string | null, to: string | null) => Promise<Places>
  /** Where these entries are; those that have no place are left out. */
  readonly placesOf: (entryIds: readonly string[]) => Promise<readonly number[]>
  /** Entries by their places. One stream is read to its end before the next begins. */
  readonly entries: (places: Places) => AsyncIterable<PlacedEntry>
  readonly entriesAt: (indexes: readonly number[]) => AsyncIterable<PlacedEntry>
}

const FETCH_ROWS = 2000

/** Rows of a statement, some at a time: a log of ten million entries does not fit into memory. */
async function* fetchRows<Row>(client: pg.Client, statement: string, values: readonly unknown[]): AsyncGenerator<Row> {
  await client.query(`declare evidence no scroll cursor for ${statement}`, [...values])
  try {
    for (;;) {
      const { rows } = await client.query(`fetch ${FETCH_ROWS} from evidence`)
      yield* rows as Row[]
      if (rows.length < FETCH_ROWS) return
    }
  } finally {
    await client.query('close evidence')
  }
}

const PLACED = `select leaf_index as index, ${STORED_ENTRY} from audit.tree_leaf join audit.entry using (lane_id, lane_seq)`

async function* fetchTiles(client: pg.Client, algorithm: TreeAlgorithm): AsyncGenerator<Tile> {
  const statement =
    'select tile_level as level, tile_index as index, hashes from audit.tile where algorithm = $1 order by tile_level, tile_index'
  const rows = fetchRows<{ level: number; index: number; hashes: Buffer }>(client, statement, [algorithm])
  for await (const { level, index, hashes } of rows) yield { level, index, hashes: splitHashes(hashes) }
}

/** By the time of the entries: the places from the first to the last that were recorded then. */
async function readPlacesBetween(client: pg.Client, from: string | null, to: string | null): Promise<Places> {
  const { rows } = await client.query<{ first: number | null; last: number | null }>(
    `select min(leaf_index) as first, max(leaf_index) as last from audit.tree_leaf join audit.entry using (lane_id, lane_seq)
      where ($1::timestamptz is null or recorded_at >= $1) and ($2::timestamptz is null or recorded_at < $2)`,
    [from, to],
  )
  const { first = null, last = null } = rows[0] ?? {}
  return first === null || last === null ? { from: 0, to: 0 } : { from: first, to: last + 1 }
}

/** A tree as it lies there. */
async function treeOn(client: pg.Client, algorithm: TreeAlgorithm): Promise<TreeEvidence> {
  const { rows: checkpoints } = await client.query<PublishedCheckpoint>(
    'select size, note from audit.checkpoint where algorithm = $1 order by size',
    [algorithm],
  )
  const { rows: trees } = await client.query<{ size: number }>('select size from audit.tree where algorithm = $1', [
    algorithm,
  ])
  return { checkpoints, size: trees[0]?.size ?? 0, tiles: () => fetchTiles(client, algorithm) }
}

/** What lies in the log as the client's transaction sees it. */
export async function evidenceOn(client: pg.Client): Promise<Evidence> {
  const sm3 = await treeOn(client, 'sm3')
  return {
    ...(await treeOn(client, 'sha256')),
    ...(sm3.checkpoints.length === 0 ? {} : { sm3 }),
    placesBetween: (from, to) => readPlacesBetween(client, from, to),
    placesOf: async (entryIds) => {
      const { rows } = await client.query<{ index: number }>(
        `select leaf_index as index from audit.tree_leaf join audit.entry using (lane_id, lane_seq)
          where entry_id = any($1::uuid[]) order by leaf_index`,
        [entryIds],
      )
      return rows.map(({ index }) => index)
    },
    entries: ({ from, to }) =>
      fetchRows(client, `${PLACED} where leaf_index >= $1 and leaf_index < $2 order by leaf_index`, [from, to]),
    entriesAt: (indexes) =>
      fetchRows(client, `${PLACED} where leaf_index = any($1::bigint[]) order by leaf_index`, [indexes]),
  }
}

/** Opens the log for handing out, while the product runs on. Throws DATABASE_UNAVAILABLE when it cannot be read. */
export async function withEvidence<Result>(
  url: string,
  work: (evidence: Evidence) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 5000,
    application_name: 'gridbridge-audit-export',
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('begin isolation level repeatable read read only')
    return await work(await evidenceOn(client))
  } catch (error) {
    if (error instanceof AppError || !(error instanceof pg.DatabaseError || isConnectionError(error))) throw error
    throw new AppError('DATABASE_UNAVAILABLE', 'the audit log cannot be read', { cause: error })
  } finally {
    await client.end().catch(() => undefined)
  }
}

const isConnectionError = (error: unknown): boolean =>
  /^(ECONNREFUSED|ECONNRESET|ENOTFOUND|ETIMEDOUT|EPIPE)$/.test((error as NodeJS.ErrnoException).code ?? '') ||
  /^(Connection terminated|timeout)/.test(error instanceof Error ? error.message : '')

/** An entry by its id, as it lies in the tree; null: there is none, or it has no place yet. */
export async function findPlacedEntry(
  query: Query,
  entryId: string,
): Promise<{ readonly index: number; readonly body: Buffer } | null> {
  const [row] = await query<{ index: number; body: Buffer }>(
    'select leaf_index as index, body from audit.entry join audit.tree_leaf using (lane_id, lane_seq) where entry_id = $1',
    [entryId],
  )
  return row ?? null
}

/** The newest checkpoint over a SHA-256 tree of more than `size` leaves; null where none was signed. */
export async function findCheckpointBeyond(query: Query, size: number): Promise<PublishedCheckpoint | null> {
  const [row] = await query<PublishedCheckpoint>(
    `select size, note from audit.checkpoint where algorithm = 'sha256' and size > $1 order by size desc limit 1`,
    [size],
  )
  return row ?? null
}
