import { AppError, type ErrorCode } from '../errors.ts'
import type { FieldForm } from '../feeds/forms.ts'
import { prepared, type Query } from './database.ts'
import { VALID_ITEM } from './service-items.ts'

/** Whether changes may be copied, or only single records asked for with a reason (registers that may not be copied). */
export type SharingMethod = 'copy' | 'query'

/** What one consumer may receive of one dataset, and why. The only source of what leaves. */
export interface Agreement {
  readonly agreementId: number
  readonly version: number
  readonly consumer: string
  readonly consumerId: number
  readonly dataset: string
  readonly datasetId: number
  readonly forms: Readonly<Record<string, FieldForm>>
  /** Prefixes of area codes; a record lies in the area when its code begins with one of them. */
  readonly area: readonly string[]
  /** Code of an item of the published service list. */
  readonly purpose: string
  readonly method: SharingMethod
  readonly recordsPerDay: number | null
  readonly pageSize: number
  readonly validTo: Date
}

/** How audit entries name an agreement. */
export const agreementName = ({ agreementId, version }: Pick<Agreement, 'agreementId' | 'version'>): string =>
  `${agreementId}@${version}`

export interface NewAgreement {
  readonly consumerId: number
  readonly dataset: string
  readonly forms: Readonly<Record<string, FieldForm>>
  readonly area: readonly string[]
  readonly purpose: string
  readonly method: SharingMethod
  readonly recordsPerDay: number | null
  readonly pageSize: number
  readonly validTo: Date
  /** Who granted it, as the audit log names them. */
  readonly grantedBy: string
}

/** For the same statements: why an agreement that has not ended lets nothing leave; null: it is in force. */
export const BARRIER = `case when consumer.stopped_at is not null then 'CONSUMER_STOPPED'
       when suspended_at is not null then 'AGREEMENT_SUSPENDED'
       when not exists (select from service_item where service_item.code = purpose and ${VALID_ITEM}) then 'PURPOSE_WITHDRAWN' end`

/** For the same statements: its time has come and is not over. */
export const IN_TERM = 'clock_timestamp() >= valid_from and clock_timestamp() < valid_to'

/** For statements that look at agreements joined with their consumer: it is in force. */
export const IN_FORCE = `(${IN_TERM} and (${BARRIER}) is null)`

const AGREEMENT_COLUMNS = `agreement_id as "agreementId", version, consumer.name as consumer, consumer.consumer_id as "consumerId",
  dataset.name as dataset, dataset.dataset_id as "datasetId", forms, area, purpose, method, records_per_day as "recordsPerDay",
  page_size as "pageSize", valid_to as "validTo", ${BARRIER} as barrier`

type FoundAgreement = Agreement & { readonly barrier: ErrorCode | null }

function assertInForce(found: FoundAgreement | undefined, wanted: string): Agreement {
  if (found === undefined) throw new AppError('AGREEMENT_MISSING', wanted)
  const { barrier, ...agreement } = found
  if (barrier === null) return agreement
  const detail = barrier === 'PURPOSE_WITHDRAWN' ? `${agreement.purpose} is not on the service list in force` : wanted
  throw new AppError(barrier, detail)
}

const FIND_AGREEMENT = prepared(
  `select ${AGREEMENT_COLUMNS} from agreement join consumer using (consumer_id) join dataset using (dataset_id)
      where consumer.consumer_id = $1 and dataset.name = $2 and ${IN_TERM}`,
)

/**
 * The agreement in force between a consumer and a dataset. Throws AGREEMENT_MISSING: no grant means no; AGREEMENT_SUSPENDED,
 * PURPOSE_WITHDRAWN (names the item), CONSUMER_STOPPED.
 */
export async function findAgreement(query: Query, consumerId: number, dataset: string): Promise<Agreement> {
  const [found] = await query<FoundAgreement>(FIND_AGREEMENT, [consumerId, dataset])
  return assertInForce(found, dataset)
}

/**
 * Grants an agreement, or the next version of the one between the same consumer and dataset: what held before is kept as a
 * version. Throws AGREEMENT_INVALID where there is no such dataset.
 */
export async function saveAgreement(
  query: Query,
  terms: NewAgreement,
): Promise<{ readonly agreementId: number; readonly version: number }> {
  const [row] = await query<{ agreementId: number; version: number }>(
    `with granted as (
       insert into agreement as kept (consumer_id, dataset_id, forms, area, purpose, method, records_per_day, page_size, valid_to, granted_by)
         select $1, dataset_id, $3, $4, $5, $6, $7, $8, $9, $10 from dataset where name = $2
       on conflict (consumer_id, dataset_id) do update set version = kept.version + 1, forms = excluded.forms, area = excluded.area,
         purpose = excluded.purpose, method = excluded.method, records_per_day = excluded.records_per_day,
         page_size = excluded.page_size, valid_from = clock_timestamp(), valid_to = excluded.valid_to,
         granted_by = excluded.granted_by, granted_at = clock_timestamp(), suspended_at = null, suspend_reason = null
       returning *),
     kept_version as (
       insert into agreement_version (agreement_id, version, terms, granted_by)
         select agreement_id, version, to_jsonb(granted) - 'agreement_id' - 'version', granted_by from granted)
     select agreement_id as "agreementId", version from granted`,
    [
      terms.consumerId,
      terms.dataset,
      JSON.stringify(terms.forms),
      terms.area,
      terms.purpose,
      terms.method,
      terms.recordsPerDay,
      terms.pageSize,
      terms.validTo,
      terms.grantedBy,
    ],
  )
  if (row === undefined) throw new AppError('AGREEMENT_INVALID', `there is no dataset ${terms.dataset}`)
  return row
}

/** What one consumer is granted of a dataset, for telling it what a change of a feed means. */
export interface GrantedFields {
  readonly consumer: string
  readonly agreement: string
  readonly purpose: string
  readonly fields: readonly string[]
}

/** The agreements on a dataset that have not ended, each with the fields that it does not omit. */
export async function listGrants(query: Query, dataset: string): Promise<readonly GrantedFields[]> {
  return query<GrantedFields>(
    `select consumer.name as consumer, agreement_id || '@' || version as agreement, purpose,
            array(select form.key from jsonb_each_text(forms) as form where form.value <> 'omit' order by 1) as fields
       from agreement join consumer using (consumer_id) join dataset using (dataset_id)
      where dataset.name = $1 and ${IN_TERM}
      order by consumer.name, agreement_id limit 5000`,
    [dataset],
  )
}

/** An agreement whose purpose left the service list, for those who have to be told. */
export interface WithdrawnAgreement {
  readonly agreementId: number
  readonly version: number
  readonly consumer: string
  readonly dataset: string
  readonly purpose: string
}

/**
 * Suspends the agreements whose purpose is no longer an item in force. They let nothing leave from the moment of the withdrawal, because
 * every use looks at the list; this makes the state visible. Returns those that it suspended.
 */
export async function suspendWithdrawn(query: Query): Promise<readonly WithdrawnAgreement[]> {
  return query<WithdrawnAgreement>(
    `update agreement set suspended_at = clock_timestamp(), suspend_reason = 'PURPOSE_WITHDRAWN'
       from consumer, dataset
      where consumer.consumer_id = agreement.consumer_id and dataset.dataset_id = agreement.dataset_id
        and suspended_at is null and ${IN_TERM}
        and not exists (select from service_item where service_item.code = purpose and ${VALID_ITEM})
      returning agreement_id as "agreementId", version, consumer.name as consumer, dataset.name as dataset, purpose`,
  )
}

/** Lets the agreements go on that were suspended for their purpose and whose item is in force again. */
export async function resumeRestored(query: Query): Promise<readonly WithdrawnAgreement[]> {
  return query<WithdrawnAgreement>(
    `update agreement set suspended_at = null, suspend_reason = null
       from consumer, dataset
      where consumer.consumer_id = agreement.consumer_id and dataset.dataset_id = agreement.dataset_id
        and suspend_reason = 'PURPOSE_WITHDRAWN' and ${IN_TERM}
        and exists (select from service_item where service_item.code = purpose and ${VALID_ITEM})
      returning agreement_id as "agreementId", version, consumer.name as consumer, dataset.name as dataset, purpose`,
  )
}
