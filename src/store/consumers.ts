import { AppError } from '../errors.ts'
import type { Query } from './database.ts'

export interface Consumer {
  readonly consumerId: number
  readonly name: string
  /** Keyed hash of the client secret, in hexadecimal. */
  readonly secretHash: string
  readonly webhookUrl: string | null
  readonly webhookSecret: Buffer | null
}

export interface NewConsumer {
  readonly name: string
  readonly secretHash: string
  readonly webhookUrl: string | null
  readonly webhookSecret: Uint8Array | null
}

/** Throws CONSUMER_EXISTS when the name is taken; nothing is changed then. */
export async function insertConsumer(query: Query, consumer: NewConsumer): Promise<number> {
  const [row] = await query<{ consumerId: number }>(
    `insert into consumer (name, secret_hash, webhook_url, webhook_secret) values ($1, decode($2, 'hex'), $3, $4)
       on conflict (name) do nothing returning consumer_id as "consumerId"`,
    [consumer.name, consumer.secretHash, consumer.webhookUrl, consumer.webhookSecret],
  )
  if (row === undefined) throw new AppError('CONSUMER_EXISTS', consumer.name)
  return row.consumerId
}

/** Throws CONSUMER_UNKNOWN. */
export async function findConsumer(query: Query, name: string): Promise<Consumer> {
  const [consumer] = await query<Consumer>(
    `select consumer_id as "consumerId", name, encode(secret_hash, 'hex') as "secretHash", webhook_url as "webhookUrl", webhook_secret as "webhookSecret"
       from consumer where name = $1`,
    [name],
  )
  if (consumer === undefined) throw new AppError('CONSUMER_UNKNOWN', name)
  return consumer
}
