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
}

export async function listServiceItems(query: Query): Promise<readonly ServiceItem[]> {
  return query<ServiceItem>(
    `select code, name, county, approval_no as "approvalNo", valid_from::text as "validFrom", valid_to::text as "validTo"
       from service_item order by code limit 5000`,
  )
}

/** Publishes an item, or its new wording or term under the same code. */
export async function publishServiceItem(query: Query, item: ServiceItem, publishedBy: number): Promise<void> {
  await query(
    `insert into service_item (code, name, county, approval_no, valid_from, valid_to, published_by) values ($1, $2, $3, $4, $5, $6, $7)
       on conflict (code) do update set name = excluded.name, county = excluded.county, approval_no = excluded.approval_no,
         valid_from = excluded.valid_from, valid_to = excluded.valid_to, published_by = excluded.published_by,
         published_at = clock_timestamp()`,
    [item.code, item.name, item.county, item.approvalNo, item.validFrom, item.validTo, publishedBy],
  )
}

/** Codes of the items that are in force today, China Standard Time. */
export async function listValidItems(query: Query): Promise<ReadonlySet<string>> {
  const rows = await query<{ code: string }>(
    `select code from service_item
      where valid_from <= (now() at time zone 'Asia/Shanghai')::date
        and (valid_to is null or valid_to > (now() at time zone 'Asia/Shanghai')::date)`,
  )
  return new Set(rows.map(({ code }) => code))
}
