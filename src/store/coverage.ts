import { AppError } from '../errors.ts'
import type { Query } from './database.ts'

/** What is known of one department and one dataset. */
export interface Coverage {
  readonly department: string
  readonly dataset: string
  /** Feeds that are active. */
  readonly active: number
  /** Feeds that are being prepared or suspended. */
  readonly pending: number
  /** Why the department refuses; null where it does not. */
  readonly refusal: string | null
}

/** Every pair of department and dataset of which anything is known. */
export async function listCoverage(query: Query): Promise<readonly Coverage[]> {
  return query<Coverage>(
    `select department, dataset.name as dataset, coalesce(active, 0)::int as active, coalesce(pending, 0)::int as pending,
            sharing_refusal.reason as refusal
       from (select department, dataset_id, count(*) filter (where state = 'active') as active,
                    count(*) filter (where state not in ('active', 'retired')) as pending
               from feed group by department, dataset_id) feeds
       full join sharing_refusal using (department, dataset_id)
       join dataset using (dataset_id)
      order by department, dataset.name limit 5000`,
  )
}

/** A refusal with its reason; a new one takes the place of an older. Throws REQUEST_INVALID where there is no such dataset. */
export async function refuseSharing(
  query: Query,
  refusal: {
    readonly department: string
    readonly dataset: string
    readonly reason: string
    readonly refusedBy: number
  },
): Promise<void> {
  const rows = await query(
    `insert into sharing_refusal (department, dataset_id, reason, refused_by)
       select $1, dataset_id, $3, $4 from dataset where name = $2
       on conflict (department, dataset_id) do update
         set reason = excluded.reason, refused_by = excluded.refused_by, refused_at = clock_timestamp()
       returning department`,
    [refusal.department, refusal.dataset, refusal.reason, refusal.refusedBy],
  )
  if (rows.length === 0) throw new AppError('REQUEST_INVALID', `there is no dataset ${refusal.dataset}`)
}

/** Takes a refusal back. Returns whether there was one. */
export async function dropRefusal(query: Query, department: string, dataset: string): Promise<boolean> {
  const rows = await query(
    `delete from sharing_refusal using dataset
      where sharing_refusal.dataset_id = dataset.dataset_id and department = $1 and dataset.name = $2 returning department`,
    [department, dataset],
  )
  return rows.length === 1
}
