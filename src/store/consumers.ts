import { AppError } from '../errors.ts'
import type { Query } from './database.ts'

export interface Consumer {
  readonly consumerId: number
  readonly name: string
  readonly webhookUrl: string | null
  readonly webhookSecret: Buffer | null
}

export interface NewConsumer {
  readonly name: string
  /** What people call the system, in Chinese. */
  readonly title?: string
  /** Unified social credit code of the unit that answers for it. */
  readonly creditCode?: string
  readonly webhookUrl: string | null
  readonly webhookSecret: Uint8Array | null
}

/** Keeps a consumer; it cannot prove itself yet. Throws CONSUMER_EXISTS when the name is taken; nothing is changed then. */
export async function insertConsumer(query: Query, consumer: NewConsumer): Promise<number> {
  const { name, title, creditCode, webhookUrl, webhookSecret } = consumer
  const [row] = await query<{ consumerId: number }>(
    `insert into consumer (name, title, credit_code, webhook_url, webhook_secret) values ($1, $2, $3, $4, $5)
       on conflict (name) do nothing returning consumer_id as "consumerId"`,
    [name, title, creditCode, webhookUrl, webhookSecret],
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
    `select consumer_id as "consumerId", name, webhook_url as "webhookUrl", webhook_secret as "webhookSecret"
       from consumer where name = $1`,
    [name],
  )
  if (consumer === undefined) throw new AppError('CONSUMER_UNKNOWN', name)
  return consumer
}
