import type { TreeAlgorithm } from '../audit/tree-hash.ts'
import type { Query } from './database.ts'

/** The note that was signed of a tree of this size; null: none was published. */
export async function readCheckpointAt(query: Query, tree: TreeAlgorithm, size: number): Promise<string | null> {
  const [row] = await query<{ note: string }>('select note from audit.checkpoint where algorithm = $1 and size = $2', [
    tree,
    size,
  ])
  return row?.note ?? null
}

/** Whether anything was ever published of this tree. */
export async function hasCheckpoints(query: Query, tree: TreeAlgorithm): Promise<boolean> {
  const rows = await query('select from audit.checkpoint where algorithm = $1 limit 1', [tree])
  return rows.length > 0
}

/** Publishes a signed note; one of the same size stays as it is. */
export async function publishCheckpoint(query: Query, tree: TreeAlgorithm, size: number, note: string): Promise<void> {
  await query('insert into audit.checkpoint (algorithm, size, note) values ($1, $2, $3) on conflict do nothing', [
    tree,
    size,
    note,
  ])
}

export interface PublishedCheckpoint {
  readonly size: number
  readonly note: string
}

/** The newest checkpoint of a tree, and up to where this witness cosigned it; null: nothing was published. */
export async function readNewest(
  query: Query,
  tree: TreeAlgorithm,
  witness: string,
): Promise<(PublishedCheckpoint & { readonly cosigned: number }) | null> {
  const [row] = await query<PublishedCheckpoint & { readonly cosigned: number }>(
    `select size, note, (select coalesce(max(size), 0) from audit.cosignature where algorithm = $2 and witness = $1) as cosigned
       from audit.checkpoint where algorithm = $2 order by size desc limit 1`,
    [witness, tree],
  )
  return row ?? null
}

/** The line with which a witness cosigned a checkpoint. */
export interface PublishedCosignature {
  readonly tree: TreeAlgorithm
  readonly size: number
  readonly witness: string
  readonly line: string
}

/** Publishes a cosignature; one that is there stays. */
export async function saveCosignature(query: Query, cosignature: PublishedCosignature): Promise<void> {
  const { tree, size, witness, line } = cosignature
  await query(
    'insert into audit.cosignature (algorithm, size, witness, line) values ($1, $2, $3, $4) on conflict do nothing',
    [tree, size, witness, line],
  )
}

/** How many seconds the oldest checkpoint over SHA-256 behind the last one that this witness cosigned waits for its cosignature; 0: none waits. */
export async function readWitnessDelay(query: Query, witness: string): Promise<number> {
  const [row] = await query<{ seconds: number | null }>(
    `select extract(epoch from clock_timestamp() - min(signed_at))::float8 as seconds from audit.checkpoint
      where algorithm = 'sha256'
        and size > (select coalesce(max(size), -1) from audit.cosignature where algorithm = 'sha256' and witness = $1)`,
    [witness],
  )
  return row?.seconds ?? 0
}
