import pg from 'pg'
import type { Pruned } from '../audit/pruned.ts'
import { SHA256, type TreeAlgorithm, type TreeHash } from '../audit/tree-hash.ts'
import type { StoredEntry, StoredLane } from '../audit/verify.ts'
import type { TreeLeaf } from '../audit/verify-tree.ts'
import { AppError, type ErrorCode } from '../errors.ts'
import type { Database, Query, Transaction } from './database.ts'
import { readPruned } from './pruning.ts'

/** A consistent view of the whole log: entries ordered by lane and place, streamed, and the lanes as of the same moment. */
export interface AuditSnapshot {
  readonly lanes: readonly StoredLane[]
  /** What is left of entries that were removed after their time. */
  readonly pruned: Pruned
  readonly entries: AsyncIterable<StoredEntry>
  /** The places of a tree in their order; to be read after the entries. */
  readonly leaves: (tree?: TreeHash) => AsyncIterable<TreeLeaf>
  /** Anything else of the same moment; not while entries or leaves are read. */
  readonly query: Query
  /** Signed notes, by the size of the tree. */
  readonly checkpoints: readonly string[]
  /** Those of the tree over SM3. */
  readonly sm3Checkpoints: readonly string[]
  readonly close: () => Promise<void>
}

/** The columns of a StoredEntry. */
export const STORED_ENTRY = `lane_id as "laneId", lane_seq as "laneSeq", body, leaf, entry_id as "entryId",
  to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "recordedAt",
  event_type as type, actor, outcome, feed, dataset, count`

const FETCH_ROWS = 2000

async function* fetchEntries(client: pg.Client): AsyncGenerator<StoredEntry> {
  try {
    for (;;) {
      const { rows } = await client.query<StoredEntry>(`fetch ${FETCH_ROWS} from audit_entries`)
      yield* rows
      if (rows.length < FETCH_ROWS) return
    }
  } finally {
    await client.query('close audit_entries')
  }
}

/**
 * The leaf hash of an entry is made anew of its body; that of its tile is as it lies there. The tree over SM3 may be shorter than the log: it
 * is built behind it where an installation changed its suite.
 */
async function* fetchLeaves(client: pg.Client, tree: TreeHash): AsyncGenerator<TreeLeaf> {
  await client.query(
    `declare tree_leaves no scroll cursor for
       select entry.body, substring(tile.hashes from (leaf_index % 256)::int * 32 + 1 for 32) as tile
         from audit.tree_leaf left join audit.entry using (lane_id, lane_seq)
         left join audit.tile on tile_level = 0 and tile_index = leaf_index / 256 and algorithm = $1
        where $1::text = 'sha256' or leaf_index < (select size from audit.tree where algorithm = $1)
        order by leaf_index`,
    [tree.name],
  )
  try {
    for (;;) {
      const { rows } = await client.query<{ body: Buffer | null; tile: Buffer | null }>(
        `fetch ${FETCH_ROWS} from tree_leaves`,
      )
      for (const { body, tile } of rows) yield { fromBody: body === null ? null : tree.leaf(body), fromTile: tile }
      if (rows.length < FETCH_ROWS) return
    }
  } finally {
    await client.query('close tree_leaves')
  }
}

async function readNotes(client: pg.Client, algorithm: TreeAlgorithm): Promise<readonly string[]> {
  const { rows } = await client.query<{ note: string }>(
    `select note || coalesce((select string_agg(line, '' order by witness) from audit.cosignature
              where cosignature.algorithm = $1 and cosignature.size = checkpoint.size), '')
       as note from audit.checkpoint where algorithm = $1 order by size`,
    [algorithm],
  )
  return rows.map(({ note }) => note)
}

/** The log as the client's transaction sees it. The entries must be read to their end before the next snapshot. */
export async function auditSnapshotOn(client: pg.Client): Promise<Pick<AuditSnapshot, 'lanes' | 'pruned' | 'entries'>> {
  const { rows: lanes } = await client.query<StoredLane>(
    'select lane_id as "laneId", last_seq as "lastSeq", head from audit.lane order by opened_at, lane_id',
  )
  await client.query(
    `declare audit_entries no scroll cursor for
       select ${STORED_ENTRY}, encode(sha256(subjects), 'hex') as "manifestDigest"
         from audit.entry left join audit.manifest using (lane_id, lane_seq) order by lane_id, lane_seq`,
  )
  const ask = async <Row>(text: string): Promise<readonly Row[]> => (await client.query(text)).rows as Row[]
  return { lanes, pruned: await readPruned(ask), entries: fetchEntries(client) }
}

/** Opens the log for verification, while the product runs on, as the login itself or as a role. Throws DATABASE_UNAVAILABLE when it cannot be read. */
export async function openAuditSnapshot(url: string, role: 'gridbridge_app' | null = null): Promise<AuditSnapshot> {
  const client = new pg.Client({
    connectionString: url,
    ...(role === null ? {} : { options: `-c role=${role}` }),
    connectionTimeoutMillis: 5000,
    application_name: 'gridbridge-audit-verify',
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('begin isolation level repeatable read read only')
    const snapshot = await auditSnapshotOn(client)
    const checkpoints = await readNotes(client, 'sha256')
    const sm3Checkpoints = await readNotes(client, 'sm3')
    const query: Query = async <Row>(text: string, values: readonly unknown[] = []) =>
      (await client.query(text, [...values])).rows as Row[]
    const leaves = (tree: TreeHash = SHA256): AsyncIterable<TreeLeaf> => fetchLeaves(client, tree)
    return { ...snapshot, query, checkpoints, sm3Checkpoints, leaves, close: () => client.end() }
  } catch (error) {
    await client.end().catch(() => undefined)
    throw new AppError('DATABASE_UNAVAILABLE', 'the audit log cannot be read', { cause: error })
  }
}

export async function countAuditEntries(query: Query): Promise<number> {
  const [row] = await query<{ entries: number }>('select count(*) as entries from audit.entry')
  return row?.entries ?? 0
}

/** Refusals of everything personal, for a time: the log is not signed, or somebody froze it. */
const stops: ReadonlySet<ErrorCode> = new Set(['AUDIT_UNSIGNED', 'FROZEN'])

/** A refusal that the caller is told as it is: of the request itself, or one that stops everything. */
export const isPassedOn = ({ status, code }: AppError): boolean => status < 500 || stops.has(code)

/**
 * Work whose audit entry must be committed before anything is answered. Throws AUDIT_UNAVAILABLE when it is not within
 * `deadlineMs`: no audit, no answer. A refusal by the work itself is passed on, AUDIT_UNSIGNED and FROZEN too.
 */
export async function auditBeforeAnswer<Result>(
  database: Database,
  about: string,
  deadlineMs: number,
  work: (transaction: Transaction) => Promise<Result>,
): Promise<Result> {
  try {
    return await database.transaction(work, deadlineMs)
  } catch (error) {
    if (error instanceof AppError && isPassedOn(error)) throw error
    throw new AppError('AUDIT_UNAVAILABLE', about, { cause: error })
  }
}
