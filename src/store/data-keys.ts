import type { KeyPurpose, WrappedKey } from '../security/key-ring.ts'
import type { Suite } from '../security/suites.ts'
import type { Query } from './database.ts'

const WRAPPED = 'key_id as id, purpose, suite, kek, wrapped, active_from is not null as "isActive"'

type WrappedRow = WrappedKey & { readonly purpose: KeyPurpose; readonly suite: Suite['name'] }

/** Every key that is not retired, oldest first. */
export async function readDataKeys(query: Query): Promise<readonly WrappedKey[]> {
  return query<WrappedRow>(`select ${WRAPPED} from data_key where retired_at is null order by key_id`)
}

/** As `readDataKeys`, and nobody else changes them until the transaction ends. */
export async function lockDataKeys(query: Query): Promise<readonly WrappedKey[]> {
  await query('select pg_advisory_xact_lock(725040)')
  return query<WrappedRow>(`select ${WRAPPED} from data_key where retired_at is null order by key_id for no key update`)
}

/** A key as it is told about: everything but its bytes. */
export interface KeyFacts {
  readonly id: number
  readonly purpose: KeyPurpose
  readonly suite: Suite['name']
  readonly kek: string | null
  readonly createdAt: Date
  readonly activeFrom: Date | null
  readonly retiredAt: Date | null
}

/** Every key that ever was, oldest first. */
export async function listKeyFacts(query: Query): Promise<readonly KeyFacts[]> {
  return query<KeyFacts>(
    `select key_id as id, purpose, suite, kek, created_at as "createdAt", active_from as "activeFrom", retired_at as "retiredAt"
       from data_key order by key_id`,
  )
}

/** The number of the next key. A number is never given twice: sealed values and copies of the database name keys by it. */
export async function nextKeyId(query: Query): Promise<number> {
  const [row] = await query<{ id: number }>('select max(key_id) + 1 as id from data_key')
  return row?.id ?? 1
}

/** Keeps a new key that nothing is sealed with yet. */
export async function announceKey(query: Query, { id, purpose, suite, kek, wrapped }: WrappedKey): Promise<void> {
  await query(
    'insert into data_key (key_id, purpose, suite, kek, wrapped, active_from) values ($1, $2, $3, $4, $5, null)',
    [id, purpose, suite, kek, wrapped],
  )
}

/** From now on new values are sealed with it. Returns false where it was so already. */
export async function activateKey(query: Query, id: number): Promise<boolean> {
  const rows = await query(
    `update data_key set active_from = clock_timestamp()
      where key_id = $1 and active_from is null and retired_at is null returning 1`,
    [id],
  )
  return rows.length > 0
}

/** How long a key has been sealed with, in milliseconds by the database's clock. */
export async function activeForMs(query: Query, id: number): Promise<number> {
  const [row] = await query<{ ms: number }>(
    'select extract(epoch from clock_timestamp() - active_from)::float8 * 1000 as ms from data_key where key_id = $1',
    [id],
  )
  return row?.ms ?? 0
}

/** Waits for whoever is writing values sealed with the key, and keeps everybody from writing more until the transaction ends. */
export async function stopWriting(query: Query, id: number): Promise<void> {
  await query('select pg_advisory_xact_lock(725039, $1)', [id])
}

/** Destroys a sealing key. */
export async function destroyKey(query: Query, id: number): Promise<void> {
  await query(
    `update data_key set wrapped = null, retired_at = clock_timestamp()
      where key_id = $1 and purpose = 'seal' and retired_at is null`,
    [id],
  )
}

/** The same keys in other wrapping. */
export async function replaceWrapping(query: Query, keys: readonly WrappedKey[]): Promise<void> {
  for (const { id, kek, wrapped } of keys) {
    await query('update data_key set kek = $2, wrapped = $3 where key_id = $1 and retired_at is null', [
      id,
      kek,
      wrapped,
    ])
  }
}
