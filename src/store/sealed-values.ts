import { MERGED_FEED } from './changes.ts'
import type { Query } from './database.ts'

/**
 * Everything that rests sealed: one entry for each column. A sealed value that is not here would be lost when its key is retired, so
 * a test looks for columns of bytes that are neither here nor known to hold none.
 */
export interface SealedPlace {
  readonly table: string
  readonly column: string
  /** What its row is joined to where the row alone does not tell what the value is bound to; the row itself is `held`. */
  readonly joins: string
  /** SQL of the text that the value is bound to, as whoever seals it writes it. */
  readonly bound: string
  /** SQL of the bytes, from `held`, and of the column from the bytes in `fresh.sealed`. */
  readonly read: string
  readonly write: string
  /** Blocks of the table that one transaction looks at: some hundred small values, or one row of files. */
  readonly blocks: number
}

type BytesPlace = Pick<SealedPlace, 'table' | 'bound'> & Partial<Pick<SealedPlace, 'joins' | 'column' | 'blocks'>>

const SMALL_BLOCKS = 48

const bytes = ({ table, column = 'sealed', bound, joins = '', blocks = SMALL_BLOCKS }: BytesPlace): SealedPlace => ({
  table,
  column,
  joins,
  bound,
  read: `held.${column}`,
  write: 'fresh.sealed',
  blocks,
})

const cursor = (column: string): SealedPlace => ({
  table: 'feed',
  column,
  joins: '',
  bound: `'cursor|' || held.code`,
  read: `decode(held.${column} ->> 'sealed', 'base64')`,
  write: `jsonb_build_object('sealed', translate(encode(fresh.sealed, 'base64'), E'\\n', ''))`,
  blocks: SMALL_BLOCKS,
})

const OF_FEED = 'join feed using (feed_id)'
const OF_CONSUMER = 'join consumer using (consumer_id)'
const WHOLE_ROW = 1

const REJECTION = `'rejection|' || feed.code || case when held.bound_to_record then '|' || encode(held.source_token, 'hex') else '' end`

export const sealedPlaces: readonly SealedPlace[] = [
  bytes({
    table: 'record',
    joins: 'join dataset using (dataset_id) left join feed on feed.feed_id = held.feed_id',
    bound: `'record|' || dataset.name || '|' || coalesce(feed.code, '${MERGED_FEED.code}') || '|' || held.source_record_id`,
  }),
  bytes({ table: 'rejection', joins: OF_FEED, bound: REJECTION }),
  bytes({ table: 'feed', column: 'secrets', bound: `'feed-secrets|' || held.code` }),
  cursor('cursor'),
  cursor('compare_cursor'),
  bytes({
    table: 'push_chunk',
    joins: `join push_batch using (batch_id) ${OF_FEED}`,
    bound: `'push|' || feed.code || '|' || push_batch.batch_no || '|' || held.place`,
  }),
  bytes({ table: 'credential', joins: OF_CONSUMER, bound: `'signing-secret|' || consumer.name` }),
  bytes({
    table: 'subscription_secret',
    joins: `join subscription using (subscription_id) ${OF_CONSUMER}`,
    bound: `'webhook-secret|' || consumer.name`,
  }),
  bytes({
    table: 'correction',
    column: 'evidence',
    joins: OF_CONSUMER,
    bound: `'correction|' || consumer.name || '|' || held.reference`,
  }),
  bytes({
    table: 'verification_target',
    column: 'secret',
    joins: OF_FEED,
    bound: `'verification-target|' || feed.code`,
  }),
  bytes({
    table: 'export_draft',
    bound: `'export-draft|' || held.export_id || '|' || held.number`,
    blocks: WHOLE_ROW,
  }),
  bytes({
    table: 'export_part',
    bound: `'export-part|' || held.export_id || '|' || held.number`,
    blocks: WHOLE_ROW,
  }),
  bytes({ table: 'sign_in', column: 'totp', bound: `'totp|' || held.account_id` }),
]

/** The key that a sealed value names, in its third and fourth byte; null for bytes too short to be one. */
const keyOf = (value: string): string =>
  `case when octet_length(${value}) >= 4 then get_byte(substr(${value}, 3, 2), 0) * 256 + get_byte(substr(${value}, 3, 2), 1) end`

/** One sealed value, where it lies now, and what it is bound to. */
export interface SealedValue {
  readonly at: string
  readonly bound: string
  readonly sealed: Buffer
}

/** How many blocks the table of a place has. */
export async function countBlocks(query: Query, { table }: SealedPlace): Promise<number> {
  const [row] = await query<{ blocks: number }>(
    `select (pg_relation_size(to_regclass($1)) / current_setting('block_size')::int)::int as blocks`,
    [table],
  )
  return row?.blocks ?? 0
}

/**
 * The values in some blocks of a table that name one of these keys, locked until the transaction ends. A row that another transaction
 * holds is left for the next time, so this never waits for a save, nor a save for a lock that waits for it.
 */
export async function lockSealedBy(
  query: Query,
  place: SealedPlace,
  firstBlock: number,
  keyIds: readonly number[],
): Promise<readonly SealedValue[]> {
  return query<SealedValue>(
    `select held.ctid::text as at, ${place.bound} as bound, ${place.read} as sealed
       from ${place.table} as held ${place.joins}
      where held.ctid >= $1::tid and held.ctid < $2::tid and ${keyOf(place.read)} = any($3)
        for no key update of held skip locked`,
    [`(${firstBlock},0)`, `(${firstBlock + place.blocks},0)`, keyIds],
  )
}

/**
 * Puts other bytes in place of values that `lockSealedBy` locked in the same transaction. Neither version nor place in the change feed
 * is touched: nobody is told of what did not change. Returns how many.
 */
export async function replaceSealed(
  query: Query,
  place: SealedPlace,
  values: readonly (SealedValue & { readonly fresh: Buffer })[],
): Promise<number> {
  const rows = await query(
    `update ${place.table} as held set ${place.column} = ${place.write}
       from unnest($1::tid[], $2::bytea[], $3::bytea[]) as fresh (at, before, sealed)
      where held.ctid = fresh.at and ${place.read} = fresh.before
      returning 1`,
    [values.map(({ at }) => at), values.map(({ sealed }) => sealed), values.map(({ fresh }) => fresh)],
  )
  return rows.length
}

/** How many values name each key, over all places. */
export async function countSealedBy(query: Query): Promise<ReadonlyMap<number, number>> {
  const named = sealedPlaces.map(
    (place) => `select ${keyOf(place.read)} as id, count(*) as values from ${place.table} as held group by 1`,
  )
  const rows = await query<{ id: number; values: number }>(
    `select id, sum(values)::int8 as values from (${named.join(' union all ')}) as counted where id is not null group by id`,
  )
  return new Map(rows.map(({ id, values }) => [id, values]))
}
