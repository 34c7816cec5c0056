import { lookUps, takings, type Figure, type Limits } from '../audit/oversight-rules.ts'
import type { OversightCode } from '../audit/oversight-texts.ts'
import type { Query } from './database.ts'

/** From the first moment up to, and not with, the last. */
export interface Window {
  readonly from: Date
  readonly until: Date
}

type ReadFigures = (query: Query, window: Window, limits: Limits) => Promise<readonly Figure[]>

/** `consumer:grid-platform` as the object of an alert. Only those who came from outside are judged: what the product does itself is not. */
const ABOUT = `case actor when 'unknown' then 'client/unknown' else replace(actor, ':', '/') end`
const FROM_OUTSIDE = `(actor = 'unknown' or actor like 'consumer:%' or actor like 'account:%' or actor like 'operator:%')`
const IN_WINDOW = `recorded_at >= $1 and recorded_at < $2 and ${FROM_OUTSIDE}`

const readRefusals: ReadFigures = (query, { from, until }) =>
  query<Figure>(
    `select ${ABOUT} as about, count(*) as count, null as usual from audit.entry
      where ${IN_WINDOW} and event_type = 'access.denied' group by actor`,
    [from, until],
  )

const readLookUps: ReadFigures = (query, { from, until }) =>
  query<Figure>(
    `select ${ABOUT} as about, count(*) as count, null as usual from audit.entry
      where ${IN_WINDOW} and event_type = any($3) group by actor`,
    [from, until, lookUps],
  )

/** Beside what each took in the window the median of the windows of the same length before it, of those in which it took anything. */
const readTakings: ReadFigures = (query, { from, until }, limits) =>
  query<Figure>(
    `with taken as (
       select actor, floor(extract(epoch from $2::timestamptz - recorded_at) / extract(epoch from $2::timestamptz - $1::timestamptz)) as ago,
              sum(coalesce(count, 1)) as records
         from audit.entry
        where recorded_at > $2::timestamptz - ($3 + 1) * ($2::timestamptz - $1::timestamptz) and recorded_at < $2
          and ${FROM_OUTSIDE} and event_type = any($4)
        group by actor, ago)
     select ${ABOUT} as about, (sum(records) filter (where ago = 0))::int8 as count,
            percentile_cont(0.5) within group (order by records) filter (where ago > 0) as usual
       from taken group by actor having bool_or(ago = 0)`,
    [from, until, limits['days'] ?? 0, takings],
  )

/** How audit entries name the person of a look-up: the object where it was asked for by certificate, else a detail. */
const PERSON = `coalesce(substring(body->>'object', '^person/(.*)$'), substring(body->'details'->>'person', '^person/(.*)$'))`

const readPersons: ReadFigures = (query, { from, until }) =>
  query<Figure>(
    `select ${ABOUT} || '/person/' || person as about, count(*) as count, null as usual
       from (select actor, ${PERSON} as person
               from (select actor, convert_from(body, 'UTF8')::jsonb as body from audit.entry
                      where ${IN_WINDOW} and event_type = any($3)) as looked) as named
      where person is not null group by actor, person having count(*) > 1`,
    [from, until, lookUps],
  )

const readEndedAgreements: ReadFigures = (query, { from, until }) =>
  query<Figure>(
    `select ${ABOUT} || '/dataset/' || dataset as about, count(*) as count, null as usual
       from (select actor, dataset, recorded_at, convert_from(body, 'UTF8')::jsonb->'details'->>'reason' as reason from audit.entry
              where ${IN_WINDOW} and event_type = 'access.denied' and dataset is not null) as refused
      where reason in ('AGREEMENT_SUSPENDED', 'PURPOSE_WITHDRAWN', 'CONSUMER_STOPPED')
         or (reason = 'AGREEMENT_MISSING' and exists (
              select from agreement join consumer using (consumer_id) join dataset as granted using (dataset_id)
               where 'consumer:' || consumer.name = refused.actor and granted.name = refused.dataset
                 and valid_to <= refused.recorded_at))
      group by actor, dataset`,
    [from, until],
  )

const readDownloads: ReadFigures = (query, { from, until }) =>
  query<Figure>(
    `select ${ABOUT} as about, sum(coalesce(count, 0))::int8 as count, null as usual from audit.entry
      where ${IN_WINDOW} and event_type = 'export.downloaded' group by actor`,
    [from, until],
  )

/** The figures that each rule judges. */
export const figuresOf: Readonly<Record<OversightCode, ReadFigures>> = {
  'denials-burst': readRefusals,
  'off-hours': readLookUps,
  'volume-unusual': readTakings,
  'person-repeated': readPersons,
  'agreement-ended': readEndedAgreements,
  'export-large': readDownloads,
}
