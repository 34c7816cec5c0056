import { AppError } from '../errors.ts'
import type { Query } from './database.ts'

export interface Consumer {
  readonly consumerId: number
  readonly name: string
  /** Keyed hash of the client secret, in hexadecimal. */
  readonly secretHash: string
  /** Since when nothing is sent to it or answered to it; null: it is served. */
  readonly stoppedAt: Date | null
}

export interface NewConsumer {
  readonly name: string
  readonly secretHash: string
}

/** Throws CONSUMER_EXISTS when the name is taken; nothing is changed then. */
export async function insertConsumer(query: Query, consumer: NewConsumer): Promise<number> {
  const [row] = await query<{ consumerId: number }>(
    `insert into consumer (name, secret_hash) values ($1, decode($2, 'hex'))
       on conflict (name) do nothing returning consumer_id as "consumerId"`,
    [consumer.name, consumer.secretHash],
  )
  if (row === undefined) throw new AppError('CONSUMER_EXISTS', consumer.name)
  return row.consumerId
}

/** Throws CONSUMER_UNKNOWN. */
export async function findConsumer(query: Query, name: string): Promise<Consumer> {
  const [consumer] = await query<Consumer>(
    `select consumer_id as "consumerId", name, encode(secret_hash, 'hex') as "secretHash", stopped_at as "stoppedAt"
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
