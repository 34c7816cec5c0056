import type { Query } from './database.ts'

/** How many leaves the tree has. What lies below that is written already. */
export async function readTreeSize(query: Query): Promise<number> {
  const [row] = await query<{ size: number }>('select size from audit.tree')
  return row?.size ?? 0
}

/** The note that was signed of a tree of this size; null: none was published. */
export async function readCheckpointAt(query: Query, size: number): Promise<string | null> {
  const [row] = await query<{ note: string }>('select note from audit.checkpoint where size = $1', [size])
  return row?.note ?? null
}

/** Whether anything was ever published of this log. */
export async function hasCheckpoints(query: Query): Promise<boolean> {
  const rows = await query('select from audit.checkpoint limit 1')
  return rows.length > 0
}

/** Publishes a signed note; one of the same size stays as it is. */
export async function publishCheckpoint(query: Query, size: number, note: string): Promise<void> {
  await query('insert into audit.checkpoint (size, note) values ($1, $2) on conflict do nothing', [size, note])
}

export interface PublishedCheckpoint {
  readonly size: number
  readonly note: string
}

/** The newest checkpoint, and up to where this witness cosigned; null: nothing was published. */
export async function readNewest(
  query: Query,
  witness: string,
): Promise<(PublishedCheckpoint & { readonly cosigned: number }) | null> {
  const [row] = await query<PublishedCheckpoint & { readonly cosigned: number }>(
    `select size, note, (select coalesce(max(size), 0) from audit.cosignature where witness = $1) as cosigned
       from audit.checkpoint order by size desc limit 1`,
    [witness],
  )
  return row ?? null
}

/** The line with which a witness cosigned the checkpoint of this size; one that is there stays. */
export async function saveCosignature(query: Query, size: number, witness: string, line: string): Promise<void> {
  await query('insert into audit.cosignature (size, witness, line) values ($1, $2, $3) on conflict do nothing', [
    size,
    witness,
    line,
  ])
}

/** How many seconds the oldest checkpoint behind the last one that this witness cosigned waits for its cosignature; 0: none waits. */
export async function readWitnessDelay(query: Query, witness: string): Promise<number> {
  const [row] = await query<{ seconds: number | null }>(
    `select extract(epoch from clock_timestamp() - min(signed_at))::float8 as seconds from audit.checkpoint
      where size > (select coalesce(max(size), -1) from audit.cosignature where witness = $1)`,
    [witness],
  )
  return row?.seconds ?? 0
}
