import type { HeldKeys } from '../security/live-key-ring.ts'
import type { Query } from './database.ts'

/** One process that holds the keys. */
export interface KeyHolder {
  readonly holder: string
  readonly process: string
}

/** A process that was not heard of for so long is gone, or stands still; it finds out by itself what it missed. */
const LIVES_SECONDS = 30

const LIVES = `seen_at > clock_timestamp() - interval '${LIVES_SECONDS} seconds'`

/** Tells which keys this process holds, now. */
export async function tellHeldKeys(query: Query, { holder, process }: KeyHolder, held: HeldKeys): Promise<void> {
  await query(
    `insert into key_holder (holder, process, newest, sealing) values ($1, $2, $3, $4)
       on conflict (holder) do update
         set newest = excluded.newest, sealing = excluded.sealing, seen_at = clock_timestamp()`,
    [holder, process, held.newest, held.sealing],
  )
}

export async function forgetHolder(query: Query, { holder }: KeyHolder): Promise<void> {
  await query('delete from key_holder where holder = $1', [holder])
}

/** Forgets the processes that ended without a word. */
export async function forgetLostHolders(query: Query): Promise<void> {
  await query(`delete from key_holder where not ${LIVES}`)
}

/** Names of the living processes that have not opened the key yet. */
export async function listWithoutKey(query: Query, id: number): Promise<readonly string[]> {
  const rows = await query<{ process: string }>(
    `select process from key_holder where ${LIVES} and newest < $1 order by process`,
    [id],
  )
  return rows.map((row) => row.process)
}

/** Names of the living processes that still seal with an older key. */
export async function listSealingBefore(query: Query, id: number): Promise<readonly string[]> {
  const rows = await query<{ process: string }>(
    `select process from key_holder where ${LIVES} and sealing < $1 order by process`,
    [id],
  )
  return rows.map((row) => row.process)
}

/** Whether this transaction alone may seal again until it ends; another process that is at it keeps its turn. */
export async function takeTurn(query: Query): Promise<boolean> {
  const [row] = await query<{ taken: boolean }>('select pg_try_advisory_xact_lock(725041) as taken')
  return row?.taken === true
}
