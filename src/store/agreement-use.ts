import { AppError } from '../errors.ts'
import type { Agreement } from './agreements.ts'
import { prepared, type Query } from './database.ts'

/** How much of one feed an answer or a delivery holds. */
export interface FeedShare {
  readonly feed: string
  readonly records: number
  /** How many of the records name a person. */
  readonly persons: number
}

const TODAY = `(now() at time zone 'Asia/Shanghai')::date`
const UNTIL_MIDNIGHT_MS = `extract(epoch from ((${TODAY} + 1)::timestamp at time zone 'Asia/Shanghai') - now())::float8 * 1000`

/** Refuses what would pass the records of a day, where an answer counts as one at least. The lock holds until the use is counted, in every replica. Throws QUOTA_SPENT. */
async function assertWithinDay(
  query: Query,
  { agreementId, recordsPerDay }: Agreement,
  records: number,
): Promise<void> {
  if (recordsPerDay === null) return
  await query('select pg_advisory_xact_lock(725004, $1)', [agreementId])
  const [row] = await query<{ used: number; retryAfterMs: number }>(
    `select coalesce(sum(greatest(records, answers)), 0)::int8 as used, ${UNTIL_MIDNIGHT_MS} as "retryAfterMs"
       from agreement_use where agreement_id = $1 and day = ${TODAY}`,
    [agreementId],
  )
  const { used, retryAfterMs } = row ?? { used: 0, retryAfterMs: 0 }
  if (used + Math.max(1, records) > recordsPerDay)
    throw new AppError('QUOTA_SPENT', `${used} of ${recordsPerDay} records of today are used; ask again tomorrow`, {
      cause: { retryAfterMs },
    })
}

/** Connections that count in one stripe wait for each other's commit; those of one process have process ids side by side. */
const STRIPE = 'pg_backend_pid() % 16'

const COUNT_USE = prepared(
  `with used as (
     insert into agreement_use_stripe as kept (agreement_id, day, feed_id, stripe, answers, records, persons)
       select $1, ${TODAY}, coalesce(feed_id, 0), ${STRIPE}, 1, given.records, given.persons
         from unnest($2::text[], $3::bigint[], $4::bigint[]) as given (code, records, persons) left join feed using (code)
        order by feed_id
       on conflict (agreement_id, day, feed_id, stripe) do update set answers = kept.answers + 1,
         records = kept.records + excluded.records, persons = kept.persons + excluded.persons, last_used_at = clock_timestamp())
   insert into agreement_answer_stripe as kept (agreement_id, day, version, stripe, answers) values ($1, ${TODAY}, $5, ${STRIPE}, 1)
     on conflict (agreement_id, day, version, stripe) do update set answers = kept.answers + 1, last_used_at = clock_timestamp()`,
)

/**
 * Counts what leaves under an agreement, in the transaction of its audit entry; an answer without a record is a use too. Throws
 * QUOTA_SPENT; nothing leaves then.
 */
export async function countUse(query: Query, agreement: Agreement, shares: readonly FeedShare[]): Promise<void> {
  await assertWithinDay(
    query,
    agreement,
    shares.reduce((sum, { records }) => sum + records, 0),
  )
  await query(COUNT_USE, [
    agreement.agreementId,
    shares.map(({ feed }) => feed),
    shares.map(({ records }) => records),
    shares.map(({ persons }) => persons),
    agreement.version,
  ])
}
