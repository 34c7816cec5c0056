import { MERGED_FEED } from './changes.ts'
import type { Query } from './database.ts'

/** Whose use of whose data may be seen: all of it, of one consumer, or of the feeds of one department. */
export interface UsageScope {
  readonly consumerId: number | null
  readonly department: string | null
  /** Names of the datasets that are merged out of others. */
  readonly merged: readonly string[]
}

/** Days of China Standard Time, yyyy-MM-dd, both of them included. */
export interface Period {
  readonly from: string
  readonly to: string
}

/** What left of one feed. `persons` are records that name a person; who comes twice counts twice. */
export interface FeedUse {
  readonly feed: string
  /** Null for merged persons, which are of several departments. */
  readonly department: string | null
  readonly answers: number
  readonly records: number
  readonly persons: number
}

/** What left under one agreement. */
export interface AgreementUse {
  readonly agreement: string
  readonly consumer: string
  readonly dataset: string
  /** Items of the service list under which something left. */
  readonly purposes: readonly string[]
  /** Answers and deliveries, those without a record too. */
  readonly answers: number
  readonly records: number
  readonly persons: number
  readonly lastUsedAt: Date | null
  readonly feeds: readonly FeedUse[]
}

const MERGED = MERGED_FEED.feedId

/** Feeds whose records rest here. A draft has none. */
const FILLING = `feed.state in ('active', 'suspended', 'retired')`

/**
 * $3 merged datasets: feeds that an agreement's dataset is filled by; what is merged into persons fills that dataset too. For statements
 * that look at agreement and its dataset.
 */
export const FILLED_BY = `${FILLING} and (feed.dataset_id = agreement.dataset_id
  or (dataset.name = any($3::text[]) and feed.dataset_id in (select dataset_id from person_cursor)))`

/** $1 consumer, $2 department: the agreements of a scope, for the same statements. */
export const AGREEMENTS_IN_SCOPE = `($1::int is null or agreement.consumer_id = $1)
  and ($2::text is null or exists (select from feed where feed.department = $2 and ${FILLED_BY}))`

/** The parameters of a scope, $1 to $3. */
export const parametersOf = ({ consumerId, department, merged }: UsageScope) =>
  [consumerId, department, merged] as const

/** $2 department: the rows of agreement_use of a scope. Merged persons are seen by everybody who feeds them. */
const USES_IN_SCOPE = `($2::text is null or feed.department = $2 or (used.feed_id = ${MERGED} and exists
  (select from feed join person_cursor using (dataset_id) where feed.department = $2 and ${FILLING})))`

/** Under which purposes an agreement was used on some days. */
const purposesWhere = (days: string): string => `array(select distinct coalesce(terms->>'purpose', agreement.purpose)
  from agreement_answer answer left join agreement_version using (agreement_id, version)
 where answer.agreement_id = agreement.agreement_id and ${days} order by 1)`

type UsedRow = Omit<AgreementUse, 'records' | 'persons'>

/** What left under each agreement of a scope within a period, those that were not used too; by consumer and dataset. */
export async function readUsage(
  query: Query,
  scope: UsageScope,
  { from, to }: Period,
): Promise<readonly AgreementUse[]> {
  const rows = await query<UsedRow>(
    `select agreement_id || '@' || agreement.version as agreement, consumer.name as consumer, dataset.name as dataset,
            ${purposesWhere('answer.day between $4 and $5')} as purposes, coalesce(answered.answers, 0)::int8 as answers, answered.last_used_at as "lastUsedAt",
            coalesce(fed.feeds, '[]') as feeds
       from agreement join consumer using (consumer_id) join dataset using (dataset_id)
       left join lateral (select sum(answers) as answers, max(last_used_at) as last_used_at from agreement_answer
         where agreement_answer.agreement_id = agreement.agreement_id and day between $4 and $5) answered on true
       left join lateral (select json_agg(feed_use order by feed) as feeds from (
           select coalesce(feed.code, '${MERGED_FEED.code}') as feed, feed.department, sum(used.answers)::int8 as answers,
                  sum(used.records)::int8 as records, sum(used.persons)::int8 as persons
             from agreement_use used left join feed using (feed_id)
            where used.agreement_id = agreement.agreement_id and used.day between $4 and $5 and ${USES_IN_SCOPE}
            group by feed.code, feed.department) feed_use) fed on true
      where ${AGREEMENTS_IN_SCOPE}
      order by consumer.name, dataset.name limit 5000`,
    [...parametersOf(scope), from, to],
  )
  return rows.map((row) => ({ ...row, records: sum(row.feeds, 'records'), persons: sum(row.feeds, 'persons') }))
}

const sum = (feeds: readonly FeedUse[], count: 'records' | 'persons'): number =>
  feeds.reduce((total, feed) => total + feed[count], 0)

/** Where a page of the ledger ended. */
export interface LedgerPlace {
  readonly day: string
  readonly agreementId: number
  readonly feedId: number
}

/** What one consumer received of one feed on one day, under which purposes. */
export interface LedgerEntry extends FeedUse, LedgerPlace {
  readonly consumer: string
  readonly dataset: string
  readonly purposes: readonly string[]
}

export interface LedgerQuestion extends Period {
  readonly after: LedgerPlace | null
  readonly limit: number
}

/** Who received what of a scope, day by day, after a place. */
export async function readLedger(
  query: Query,
  { consumerId, department }: UsageScope,
  { from, to, after, limit }: LedgerQuestion,
): Promise<readonly LedgerEntry[]> {
  return query<LedgerEntry>(
    `select used.day::text as day, used.agreement_id as "agreementId", used.feed_id as "feedId", consumer.name as consumer,
            dataset.name as dataset, coalesce(feed.code, '${MERGED_FEED.code}') as feed, feed.department,
            ${purposesWhere('answer.day = used.day')} as purposes, used.answers, used.records, used.persons
       from agreement_use used join agreement using (agreement_id) join consumer using (consumer_id) join dataset using (dataset_id)
       left join feed using (feed_id)
      where ($1::int is null or agreement.consumer_id = $1) and ${USES_IN_SCOPE} and used.day between $3 and $4
        and (used.day, used.agreement_id, used.feed_id) > ($5::date, $6::int, $7::int)
      order by used.day, used.agreement_id, used.feed_id limit $8`,
    [consumerId, department, from, to, after?.day ?? '0001-01-01', after?.agreementId ?? 0, after?.feedId ?? -1, limit],
  )
}
