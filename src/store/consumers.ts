import { AppError } from '../errors.ts'
import type { Query } from './database.ts'

export interface Consumer {
  readonly consumerId: number
  readonly name: string
  /** Since when nothing is sent to it or answered to it; null: it is served. */
  readonly stoppedAt: Date | null
}

export interface NewConsumer {
  readonly name: string
  /** What people call the system, in Chinese. */
  readonly title?: string
  /** Unified social credit code of the unit that answers for it. */
  readonly creditCode?: string
}

/** Keeps a consumer; it cannot prove itself yet. Throws CONSUMER_EXISTS when the name is taken; nothing is changed then. */
export async function insertConsumer(query: Query, consumer: NewConsumer): Promise<number> {
  const { name, title, creditCode } = consumer
  const [row] = await query<{ consumerId: number }>(
    `insert into consumer (name, title, credit_code) values ($1, $2, $3)
       on conflict (name) do nothing returning consumer_id as "consumerId"`,
    [name, title, creditCode],
  )
  if (row === undefined) throw new AppError('CONSUMER_EXISTS', name)
  return row.consumerId
}

/** A consumer as it is listed. `title` and `creditCode` are null where it was registered at the command line. */
export interface ListedConsumer {
  readonly name: string
  readonly title: string | null
  readonly creditCode: string | null
  readonly createdAt: Date
}

export async function listConsumers(query: Query): Promise<readonly ListedConsumer[]> {
  return query<ListedConsumer>(
    'select name, title, credit_code as "creditCode", created_at as "createdAt" from consumer order by name limit 5000',
  )
}

/** Throws CONSUMER_UNKNOWN. */
export async function findConsumer(query: Query, name: string): Promise<Consumer> {
  const [consumer] = await query<Consumer>(
    `select consumer_id as "consumerId", name, stopped_at as "stoppedAt"
       from consumer where name = $1`,
    [name],
  )
  if (consumer === undefined) throw new AppError('CONSUMER_UNKNOWN', name)
  return consumer
}

/** Serves the consumer no more: deliveries wait and its tokens end. False: it was stopped already. */
export async function stopConsumer(query: Query, consumerId: number, reason: string): Promise<boolean> {
  const rows = await query(
    `update consumer set stopped_at = clock_timestamp(), stop_reason = $2
      where consumer_id = $1 and stopped_at is null returning consumer_id`,
    [consumerId, reason],
  )
  await query('delete from access_token where consumer_id = $1', [consumerId])
  return rows.length > 0
}

/** Serves the consumer again. False: it was not stopped. */
export async function startConsumer(query: Query, consumerId: number): Promise<boolean> {
  const rows = await query(
    `update consumer set stopped_at = null, stop_reason = null
      where consumer_id = $1 and stopped_at is not null returning consumer_id`,
    [consumerId],
  )
  return rows.length > 0
}
