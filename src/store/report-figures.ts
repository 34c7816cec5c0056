import { auditItems, personalEvents, type Cell, type SectionCode } from '../audit/reports.ts'
import type { Query } from './database.ts'
import { WAITING } from './log-check.ts'

/** From the first moment up to, and not with, the last. */
interface Period {
  readonly from: Date
  readonly until: Date
}

type Rows = readonly Readonly<Record<string, Cell>>[]
type ReadRows = (query: Query, period: Period) => Promise<Rows>

const IN_PERIOD = 'recorded_at >= $1 and recorded_at < $2'
const SAID = `convert_from(body, 'UTF8')::jsonb`
const timeText = (column: string): string =>
  `to_char(${column} at time zone interval '8 hours', 'YYYY-MM-DD"T"HH24:MI:SS"+08:00"')`

const readAccesses: ReadRows = (query, { from, until }) =>
  query(
    `select actor, purpose, dataset, event_type as event, count(*) as times, sum(coalesce(count, 0))::int8 as records
       from (select actor, dataset, event_type, count, ${SAID}->>'purpose' as purpose from audit.entry
              where ${IN_PERIOD} and event_type = any($3)) as accessed
      group by actor, purpose, dataset, event_type order by actor, dataset, purpose, event_type`,
    [from, until, personalEvents],
  )

const readDenials: ReadRows = (query, { from, until }) =>
  query(
    `select actor, reason, dataset, count(*) as times
       from (select actor, dataset, ${SAID}->'details'->>'reason' as reason from audit.entry
              where ${IN_PERIOD} and event_type = 'access.denied') as denied
      group by actor, reason, dataset order by times desc, actor, reason, dataset`,
    [from, until],
  )

const readAlerts: ReadRows = (query, { from, until }) =>
  query(
    `select alert_id as alert, kind, coalesce(object, feed.code) as about, ${timeText('raised_at')} as "raisedAt",
            ${timeText('acknowledged_at')} as "acknowledgedAt", acknowledged_by as "acknowledgedBy", ${timeText('cleared_at')} as "clearedAt"
       from alert left join feed using (feed_id) where raised_at >= $1 and raised_at < $2 order by alert_id`,
    [from, until],
  )

const readExports: ReadRows = (query, { from, until }) =>
  query(
    `select actor, dataset, event_type as event, count(*) as times, sum(coalesce(count, 0))::int8 as records from audit.entry
      where ${IN_PERIOD} and event_type like 'export.%' group by actor, dataset, event_type order by actor, dataset, event_type`,
    [from, until],
  )

const readLogState: ReadRows = async (query, { from, until }) =>
  query(
    `select measure, value from (values
       (1, 'entries in the period', (select count(*)::text from audit.entry where ${IN_PERIOD})),
       (2, 'entries without a place in the tree', ${WAITING}::text),
       (3, 'size of the tree', (select size::text from audit.tree where algorithm = 'sha256')),
       (4, 'first place that is kept', (select min_index::text from audit.state)),
       (5, 'checkpoints signed in the period', (select count(*)::text from audit.checkpoint where algorithm = 'sha256' and signed_at >= $1 and signed_at < $2)),
       (6, 'size of the newest checkpoint', (select max(size)::text from audit.checkpoint where algorithm = 'sha256')),
       (7, 'time of the newest checkpoint', (select ${timeText('max(signed_at)')} from audit.checkpoint where algorithm = 'sha256')),
       (8, 'last check of new entries', (select state || ' ' || ${timeText('ended_at')} from log_check where scope = 'new')),
       (9, 'last check of the whole log', (select state || ' ' || ${timeText('ended_at')} from log_check where scope = 'whole')))
       as told (place, measure, value) order by place`,
    [from, until],
  )

/** A page of days at a time: bodies are read for their purpose and agreement. */
const DAYS = 31
const DAY_MS = 86_400_000

const readProvisionDays: ReadRows = (query, { from, until }) =>
  query(
    `select day, consumer, agreement, used.dataset, used.purpose, service_item.name as item,
            (select string_agg(key || ':' || value, ' ' order by key) from jsonb_each_text(terms->'forms')) as fields,
            (select string_agg(value, ' ') from jsonb_array_elements_text(terms->'area')) as area,
            method, times, records, "firstAt", "lastAt"
       from (select to_char(recorded_at at time zone interval '8 hours', 'YYYY-MM-DD') as day, substring(actor from 10) as consumer,
                    said->>'agreement' as agreement, dataset, said->>'purpose' as purpose, event_type as method, count(*) as times,
                    sum(coalesce(count, 0))::int8 as records, ${timeText('min(recorded_at)')} as "firstAt", ${timeText('max(recorded_at)')} as "lastAt"
               from (select recorded_at, actor, dataset, event_type, count, ${SAID} as said from audit.entry
                      where ${IN_PERIOD} and event_type = any($3) and actor like 'consumer:%') as left_us
              group by 1, 2, 3, 4, 5, 6) as used
       left join agreement_version on agreement_id::text = split_part(agreement, '@', 1) and version::text = split_part(agreement, '@', 2)
       left join service_item on service_item.code = used.purpose
      order by day, consumer, agreement, method`,
    [from, until, personalEvents],
  )

const readProvisions: ReadRows = async (query, { from, until }) => {
  const rows: Readonly<Record<string, Cell>>[] = []
  for (let start = from.getTime(); start < until.getTime(); start += DAYS * DAY_MS) {
    const end = Math.min(until.getTime(), start + DAYS * DAY_MS)
    rows.push(...(await readProvisionDays(query, { from: new Date(start), until: new Date(end) })))
  }
  return rows
}

const readItems: ReadRows = async (query, { from, until }) => {
  const rows = await query<{ type: string; done: number; refused: number }>(
    `select event_type as type, count(*) filter (where outcome = 'ok') as done, count(*) filter (where outcome <> 'ok') as refused
       from audit.entry where ${IN_PERIOD} group by event_type`,
    [from, until],
  )
  const counts = new Map(rows.map((row) => [row.type, row]))
  return auditItems.map(({ zh, en, law, events, where }) => ({
    item: zh,
    itemEn: en,
    law,
    events: events
      .map((type) => `${type} ${(counts.get(type)?.done ?? 0) + (counts.get(type)?.refused ?? 0)}`)
      .join(', '),
    done: events.reduce((sum, type) => sum + (counts.get(type)?.done ?? 0), 0),
    refused: events.reduce((sum, type) => sum + (counts.get(type)?.refused ?? 0), 0),
    where,
  }))
}

/** The rows of each table of a report. */
export const rowsOf: Readonly<Record<SectionCode, ReadRows>> = {
  accesses: readAccesses,
  denials: readDenials,
  alerts: readAlerts,
  exports: readExports,
  log: readLogState,
  provisions: readProvisions,
  items: readItems,
}
