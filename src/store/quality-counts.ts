import type { QualityCounts } from '../feeds/quality-scores.ts'
import type { Query } from './database.ts'
import { listFreshness } from './freshness.ts'

/** How far back runs are counted. */
const COUNTED_DAYS = 30

const COUNTED = `
  select dataset.name as dataset, pulled, duplicates, rejected_by_rule, warnings
    from run join feed using (feed_id) join dataset using (dataset_id)
   where kind = 'sync' and run.state = 'done' and feed.state in ('active', 'suspended')
     and finished_at > clock_timestamp() - make_interval(days => ${COUNTED_DAYS})`

interface DatasetRows {
  readonly dataset: string
  readonly pulled: number
  readonly duplicates: number
}

interface RuleRows {
  readonly dataset: string
  readonly rule: string
  readonly rows: number
}

/** What the runs that live feeds finished within 30 days counted, and how many feeds are in time, by dataset. */
export async function readQualityCounts(query: Query): Promise<ReadonlyMap<string, QualityCounts>> {
  const totals = await query<DatasetRows>(
    `select dataset, sum(pulled)::bigint as pulled, sum(duplicates)::bigint as duplicates from (${COUNTED}) as counted group by dataset`,
  )
  const byRule = await query<RuleRows>(
    `select dataset, rule, sum(rows)::bigint as rows
       from (${COUNTED}) as counted,
            lateral (select key as rule, value::bigint as rows from jsonb_each_text(rejected_by_rule)
                     union all select key, value::bigint from jsonb_each_text(warnings)) as counts
      group by dataset, rule`,
  )
  const feeds = await listFreshness(query)
  const names = new Set([...totals.map(({ dataset }) => dataset), ...feeds.map(({ dataset }) => dataset)])
  return new Map([...names].map((name) => [name, countsOf(name, totals, byRule, feeds)]))
}

function countsOf(
  name: string,
  totals: readonly DatasetRows[],
  byRule: readonly RuleRows[],
  feeds: readonly { readonly dataset: string; readonly isStale: boolean }[],
): QualityCounts {
  const { pulled = 0, duplicates = 0 } = totals.find(({ dataset }) => dataset === name) ?? {}
  const rules = byRule.filter(({ dataset }) => dataset === name).map(({ rule, rows }) => [rule, rows] as const)
  const active = feeds.filter(({ dataset }) => dataset === name)
  return {
    pulled,
    duplicates,
    rules: Object.fromEntries(rules),
    activeFeeds: active.length,
    freshFeeds: active.filter(({ isStale }) => !isStale).length,
  }
}
