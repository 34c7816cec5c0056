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

export interface NewAgreement {
  readonly consumerId: number
  readonly dataset: string
  readonly forms: Readonly<Record<string, FieldForm>>
  readonly purpose: string
  readonly validTo: Date
}

/** Grants an agreement. */
export async function insertAgreement(query: Query, agreement: NewAgreement): Promise<number> {
  const [row] = await query<{ agreementId: number }>(
    `insert into agreement (consumer_id, dataset_id, forms, purpose, valid_to)
       select $1, dataset_id, $3, $4, $5 from dataset where name = $2
       returning agreement_id as "agreementId"`,
    [agreement.consumerId, agreement.dataset, JSON.stringify(agreement.forms), agreement.purpose, agreement.validTo],
  )
  if (row === undefined) throw new AppError('AGREEMENT_INVALID', `there is no dataset ${agreement.dataset}`)
  return row.agreementId
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

/** Serves the consumer no more: deliveries wait, its tokens end. False: it was stopped already. */
export async function stopConsumer(query: Query, consumerId: number): Promise<boolean> {
  const rows = await query(
    'update consumer set stopped_at = clock_timestamp() where consumer_id = $1 and stopped_at is null returning consumer_id',
    [consumerId],
  )
  await query('delete from access_token where consumer_id = $1', [consumerId])
  return rows.length > 0
}

/** Serves the consumer again. False: it was not stopped. */
export async function startConsumer(query: Query, consumerId: number): Promise<boolean> {
  const rows = await query(
    'update consumer set stopped_at = null where consumer_id = $1 and stopped_at is not null returning consumer_id',
    [consumerId],
  )
  return rows.length > 0
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
