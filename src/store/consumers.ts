import { AppError } from '../errors.ts'
import type { Query } from './database.ts'

/** How a field leaves: `mask` as the masked view shows it, `omit` not at all. What is not named is omitted. */
export type FieldForm = 'mask' | 'omit'

/** What one consumer may receive of one dataset, and why. The only source of what leaves. */
export interface Agreement {
  readonly agreementId: number
  readonly version: number
  readonly consumer: string
  readonly consumerId: number
  readonly dataset: string
  readonly datasetId: number
  readonly forms: Readonly<Record<string, FieldForm>>
  readonly purpose: string
}

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

export interface NewAgreement {
  readonly consumerId: number
  readonly dataset: string
  readonly forms: Readonly<Record<string, FieldForm>>
  readonly purpose: string
  readonly validTo: Date
}

/** Grants an agreement; where the consumer takes pushes, its subscription begins at the first change. */
export async function insertAgreement(query: Query, agreement: NewAgreement, subscribe: boolean): Promise<number> {
  const [row] = await query<{ agreementId: number }>(
    `insert into agreement (consumer_id, dataset_id, forms, purpose, valid_to)
       select $1, dataset_id, $3, $4, $5 from dataset where name = $2
       returning agreement_id as "agreementId"`,
    [agreement.consumerId, agreement.dataset, JSON.stringify(agreement.forms), agreement.purpose, agreement.validTo],
  )
  if (row === undefined) throw new AppError('AGREEMENT_INVALID', `there is no dataset ${agreement.dataset}`)
  if (subscribe) await query('insert into subscription (agreement_id) values ($1)', [row.agreementId])
  return row.agreementId
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

const AGREEMENT_COLUMNS = `agreement_id as "agreementId", version, consumer.name as consumer, consumer.consumer_id as "consumerId",
  dataset.name as dataset, dataset.dataset_id as "datasetId", forms, purpose`

/** The agreement in force between a consumer and a dataset. Throws AGREEMENT_MISSING: no grant means no. */
export async function findAgreement(query: Query, consumerId: number, dataset: string): Promise<Agreement> {
  const [agreement] = await query<Agreement>(
    `select ${AGREEMENT_COLUMNS} from agreement join consumer using (consumer_id) join dataset using (dataset_id)
      where consumer.consumer_id = $1 and dataset.name = $2
        and clock_timestamp() >= valid_from and clock_timestamp() < valid_to`,
    [consumerId, dataset],
  )
  if (agreement === undefined) throw new AppError('AGREEMENT_MISSING', dataset)
  return agreement
}

/** The agreement of a subscription, while it is in force. Throws AGREEMENT_MISSING. */
export async function findAgreementOfSubscription(
  query: Query,
  subscriptionId: number,
): Promise<Agreement & { readonly consumer: string }> {
  const [agreement] = await query<Agreement>(
    `select ${AGREEMENT_COLUMNS} from subscription join agreement using (agreement_id)
       join consumer using (consumer_id) join dataset using (dataset_id)
      where subscription_id = $1 and clock_timestamp() >= valid_from and clock_timestamp() < valid_to`,
    [subscriptionId],
  )
  if (agreement === undefined) throw new AppError('AGREEMENT_MISSING', `subscription ${subscriptionId}`)
  return agreement
}

/** What one consumer is granted of a dataset, for telling it what a change of a feed means. */
export interface GrantedFields {
  readonly consumer: string
  readonly agreement: string
  readonly purpose: string
  readonly fields: readonly string[]
}

/** The agreements on a dataset that are in force, each with the fields that it does not omit. */
export async function listGrants(query: Query, dataset: string): Promise<readonly GrantedFields[]> {
  return query<GrantedFields>(
    `select consumer.name as consumer, agreement_id || '@' || version as agreement, purpose,
            array(select form.key from jsonb_each_text(forms) as form where form.value <> 'omit' order by 1) as fields
       from agreement join consumer using (consumer_id) join dataset using (dataset_id)
      where dataset.name = $1 and clock_timestamp() >= valid_from and clock_timestamp() < valid_to
      order by consumer.name, agreement_id limit 5000`,
    [dataset],
  )
}
