import type { AlertKind } from './alerts.ts'
import { applicationName } from './applications.ts'
import type { Query } from './database.ts'

/** The day that it is in China Standard Time. */
const TODAY = `(clock_timestamp() at time zone 'Asia/Shanghai')::date`

/** An application whose clock ran out, and of which nobody was told since. */
export interface OverdueApplication {
  readonly object: string
  readonly department: string
  readonly kind: AlertKind
  readonly hours: number
}

/** Applications that wait for an answer or for their provision longer than they may, and of which no alert tells. */
export async function listNewlyOverdue(query: Query): Promise<readonly OverdueApplication[]> {
  const rows = await query<Omit<OverdueApplication, 'object'> & { readonly applicationId: number }>(
    `select application_id as "applicationId", department, kind,
            floor(extract(epoch from clock_timestamp() - due_at) / 3600)::int as hours
       from (select *, case state when 'submitted' then 'answer-overdue' else 'provision-overdue' end as kind
               from application where state in ('submitted', 'approved') and due_at < clock_timestamp()) as overdue
      where not exists (
        select from alert where alert.object = 'application/' || application_id and alert.kind = overdue.kind and raised_at > due_at)
      order by application_id limit 1000`,
  )
  return rows.map(({ applicationId, ...rest }) => ({ ...rest, object: applicationName(applicationId) }))
}

/** Numbers of the approved applications whose term has begun and whose agreement was not granted yet. */
export async function listBegun(query: Query): Promise<readonly number[]> {
  const rows = await query<{ applicationId: number }>(
    `select application_id as "applicationId" from application
      where state = 'approved' and agreement_id is null and valid_from <= ${TODAY} and valid_to > ${TODAY}
      order by application_id limit 1000`,
  )
  return rows.map(({ applicationId }) => applicationId)
}

/** An application whose term is over. */
export interface ExpiredApplication {
  readonly applicationId: number
  readonly dataset: string
  readonly agreement: string | null
}

/** Ends the applications whose term is over; their agreements ended by their own term in the same moment. */
export async function expireApplications(query: Query): Promise<readonly ExpiredApplication[]> {
  return query<ExpiredApplication>(
    `update application set state = 'expired', ended_by = 'system', ended_at = clock_timestamp(), end_reason = 'term'
       from dataset
      where dataset.dataset_id = application.dataset_id and state in ('approved', 'provisioned', 'active') and valid_to <= ${TODAY}
      returning application_id as "applicationId", dataset.name as dataset, agreement_id || '@' || agreement_version as agreement`,
  )
}
