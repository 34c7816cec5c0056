import { AppError } from '../errors.ts'
import type { Query } from './database.ts'

/** An item of the service list that the county government approved and published (Luzhou Art. 15). Days are yyyy-MM-dd. */
export interface ServiceItem {
  readonly code: string
  readonly name: string
  /** Six-digit code of the county. */
  readonly county: string
  readonly approvalNo: string
  readonly validFrom: string
  /** The first day on which it holds no more; null while that is not known. */
  readonly validTo: string | null
  /** Why it was taken from the list; null while it is on it. */
  readonly withdrawn: string | null
}

export type NewServiceItem = Omit<ServiceItem, 'withdrawn'>

/** For statements that look at service_item: it is in force today, China Standard Time. */
export const VALID_ITEM = `(withdrawn_at is null and service_item.valid_from <= (now() at time zone 'Asia/Shanghai')::date
  and (service_item.valid_to is null or service_item.valid_to > (now() at time zone 'Asia/Shanghai')::date))`

export async function listServiceItems(query: Query): Promise<readonly ServiceItem[]> {
  return query<ServiceItem>(
    `select code, name, county, approval_no as "approvalNo", valid_from::text as "validFrom", valid_to::text as "validTo",
            withdraw_reason as withdrawn
       from service_item order by code limit 5000`,
  )
}

/** Publishes an item, or its new wording or term under the same code; one that was withdrawn is on the list again. `publishedBy` null: an operator. */
export async function publishServiceItem(
  query: Query,
  item: NewServiceItem,
  publishedBy: number | null,
): Promise<void> {
  await query(
    `insert into service_item (code, name, county, approval_no, valid_from, valid_to, published_by) values ($1, $2, $3, $4, $5, $6, $7)
       on conflict (code) do update set name = excluded.name, county = excluded.county, approval_no = excluded.approval_no,
         valid_from = excluded.valid_from, valid_to = excluded.valid_to, published_by = excluded.published_by,
         published_at = clock_timestamp(), withdrawn_at = null, withdraw_reason = null`,
    [item.code, item.name, item.county, item.approvalNo, item.validFrom, item.validTo, publishedBy],
  )
}

/** Codes of the items that are in force today, China Standard Time. */
export async function listValidItems(query: Query): Promise<ReadonlySet<string>> {
  const rows = await query<{ code: string }>(`select code from service_item where ${VALID_ITEM}`)
  return new Set(rows.map(({ code }) => code))
}

/** Takes an item from the list at once; what cites it stops. Throws ITEM_UNKNOWN where none is on it. */
export async function withdrawServiceItem(query: Query, code: string, reason: string): Promise<void> {
  const rows = await query(
    `update service_item set withdrawn_at = clock_timestamp(), withdraw_reason = $2
      where code = $1 and withdrawn_at is null returning code`,
    [code, reason],
  )
  if (rows.length === 0) throw new AppError('ITEM_UNKNOWN', code)
}
