import type { FieldForm } from '../feeds/forms.ts'
import type { LegalBasis } from '../feeds/legal-basis.ts'
import { BARRIER, IN_TERM, type SharingMethod } from './agreements.ts'
import type { Query } from './database.ts'
import { AGREEMENTS_IN_SCOPE, FILLED_BY, parametersOf, type UsageScope } from './usage.ts'

/** Whether anything leaves now, and if not, why: with the codes of the refusals. */
export const sharingStates = [
  'IN_FORCE',
  'AGREEMENT_SUSPENDED',
  'PURPOSE_WITHDRAWN',
  'CONSUMER_STOPPED',
  'ENDED',
] as const

/** A feed that fills what is shared, and on which basis its department gives it. */
export interface SharedFeed {
  readonly feed: string
  readonly department: string
  /** Null for a feed that an operator registered at the command line. */
  readonly legalBasis: LegalBasis | null
}

/** What is shared with whom, for what, how and how long (政务数据共享条例 Art. 20, 25). */
export interface SharingEntry {
  readonly agreement: string
  readonly consumer: string
  readonly dataset: string
  readonly feeds: readonly SharedFeed[]
  readonly purpose: string
  /** Name and approval number of the item; null where none is published under the code. */
  readonly purposeName: string | null
  readonly approvalNo: string | null
  readonly forms: Readonly<Record<string, FieldForm>>
  readonly area: readonly string[]
  readonly method: SharingMethod
  readonly recordsPerDay: number | null
  readonly validFrom: Date
  readonly validTo: Date
  readonly state: (typeof sharingStates)[number]
  readonly grantedBy: string
  readonly grantedAt: Date
}

/** Every agreement of a scope as it stands now, by consumer and dataset. */
export async function readSharingList(query: Query, scope: UsageScope): Promise<readonly SharingEntry[]> {
  return query<SharingEntry>(
    `select agreement_id || '@' || agreement.version as agreement, consumer.name as consumer, dataset.name as dataset,
            array(select json_build_object('feed', feed.code, 'department', feed.department, 'legalBasis', live.legal_basis)
                    from feed left join feed_version live on live.feed_id = feed.feed_id and live.state in ('active', 'suspended')
                   where ($2::text is null or feed.department = $2) and ${FILLED_BY} order by feed.code) as feeds,
            purpose, item.purpose_name as "purposeName", item.approval_no as "approvalNo", forms, area, method,
            records_per_day as "recordsPerDay", agreement.valid_from as "validFrom", agreement.valid_to as "validTo",
            case when ${IN_TERM} then coalesce(${BARRIER}, 'IN_FORCE') else 'ENDED' end as state,
            granted_by as "grantedBy", granted_at as "grantedAt"
       from agreement join consumer using (consumer_id) join dataset using (dataset_id)
       left join (select code, name as purpose_name, approval_no from service_item) item on item.code = purpose
      where ${AGREEMENTS_IN_SCOPE}
      order by consumer.name, dataset.name limit 5000`,
    [...parametersOf(scope)],
  )
}
