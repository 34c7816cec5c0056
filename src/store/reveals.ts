import { AppError } from '../errors.ts'
import type { RevealDuty } from '../security/permissions.ts'
import type { RecordName } from './changes.ts'
import type { Query } from './database.ts'

/** A request to look at clear values, as it is kept. */
export interface NewReveal {
  readonly accountId: number
  readonly department: string
  readonly dataset: string
  /** Sealed properties of the dataset; no other is opened. */
  readonly fields: readonly string[]
  readonly caseNumber: string
  /** Code of an item of the service list. */
  readonly purpose: string
  readonly reason: string
  /** Break-glass: one approval, an hour to use it, ten minutes at most. */
  readonly urgent: boolean
  readonly minutes: number
  /** Hours until it expires unused. */
  readonly hours: number
}

export type RevealState = 'requested' | 'approved' | 'open' | 'over' | 'expired' | 'refused'

export interface Reveal extends Omit<NewReveal, 'hours'> {
  readonly revealId: number
  readonly requestedBy: string
  readonly requestedAt: Date
  readonly expiresAt: Date
  readonly state: RevealState
  readonly records: number
  readonly looks: number
  readonly firstLookAt: Date | null
  readonly openUntil: Date | null
  readonly finding: 'ok' | 'not-ok' | null
  readonly note: string | null
  readonly reviewedBy: string | null
  readonly reviewedAt: Date | null
}

export interface RevealDecision {
  readonly duty: RevealDuty
  readonly accountId: number
  readonly decision: 'approve' | 'refuse'
  readonly reason: string | null
}

/** A decision as others see it. */
export interface RevealApproval extends Omit<RevealDecision, 'accountId'> {
  readonly by: string
  readonly decidedAt: Date
}

/** How the audit log and alerts name it. */
export const revealName = (revealId: number): string => `reveal/${revealId}`

/** Refuses what would pass the requests of a day, China Standard Time; the lock holds until this one is kept. Throws REVEALS_SPENT. */
export async function assertMayAsk(query: Query, accountId: number, perDay: number): Promise<void> {
  await query('select pg_advisory_xact_lock(725008, $1)', [accountId])
  const [row] = await query<{ asked: number }>(
    `select count(*) as asked from reveal where account_id = $1
        and requested_at >= date_trunc('day', now() at time zone 'Asia/Shanghai') at time zone 'Asia/Shanghai'`,
    [accountId],
  )
  if ((row?.asked ?? 0) >= perDay)
    throw new AppError('REVEALS_SPENT', `${perDay} of ${perDay} requests of today are made; ask again tomorrow`)
}

/** Keeps a request and the records that it names. Throws RECORD_UNKNOWN, and keeps nothing, where one is no living record of the department. */
export async function insertReveal(query: Query, reveal: NewReveal, records: readonly RecordName[]): Promise<number> {
  const [row] = await query<{ revealId: number }>(
    `insert into reveal (account_id, department, dataset_id, fields, case_number, purpose, reason, urgent, minutes, expires_at)
       values ($1, $2, (select dataset_id from dataset where name = $3), $4, $5, $6, $7, $8, $9, clock_timestamp() + make_interval(hours => $10))
       returning reveal_id as "revealId"`,
    [
      reveal.accountId,
      reveal.department,
      reveal.dataset,
      reveal.fields,
      reveal.caseNumber,
      reveal.purpose,
      reveal.reason,
      reveal.urgent,
      reveal.minutes,
      reveal.hours,
    ],
  )
  const revealId = row?.revealId ?? 0
  const kept = await query(
    `insert into reveal_record (reveal_id, place, feed_id, source_record_id)
       select $1, place, feed_id, source_record_id
         from unnest($2::text[], $3::text[]) with ordinality as named (code, id, place)
         join feed using (code) join record using (feed_id) join dataset on dataset.dataset_id = record.dataset_id
        where source_record_id = named.id and dataset.name = $4 and feed.department = $5 and masked is not null
       returning place`,
    [
      revealId,
      records.map(({ feed }) => feed),
      records.map(({ recordId }) => recordId),
      reveal.dataset,
      reveal.department,
    ],
  )
  if (kept.length !== records.length)
    throw new AppError('RECORD_UNKNOWN', `${kept.length} of ${records.length} are records of the department`)
  return revealId
}

const REVEAL_COLUMNS = `reveal.reveal_id as "revealId", reveal.account_id as "accountId", reveal.department, dataset.name as dataset, fields,
  case_number as "caseNumber", purpose, reason, urgent, minutes, asker.name as "requestedBy", requested_at as "requestedAt",
  expires_at as "expiresAt", state, looks, first_look as "firstLookAt", open_until as "openUntil", finding, note,
  reviewer.name as "reviewedBy", reviewed_at as "reviewedAt",
  (select count(*) from reveal_record where reveal_record.reveal_id = reveal.reveal_id) as records`
const REVEALS = `reveal join reveal_state using (reveal_id) join dataset using (dataset_id) join account asker using (account_id)
  left join reveal_review on reveal_review.reveal_id = reveal.reveal_id
  left join account reviewer on reviewer.account_id = reveal_review.account_id`

/** Throws REVEAL_UNKNOWN. */
export async function findReveal(query: Query, revealId: number): Promise<Reveal> {
  const [reveal] = await query<Reveal>(`select ${REVEAL_COLUMNS} from ${REVEALS} where reveal.reveal_id = $1`, [
    revealId,
  ])
  if (reveal === undefined) throw new AppError('REVEAL_UNKNOWN', `reveal ${revealId}`)
  return reveal
}

export interface RevealFilter {
  /** Null: of every department. */
  readonly department: string | null
  /** Only those that were looked at and that nobody has reviewed. */
  readonly isToReview: boolean
  readonly before: number | null
  readonly limit: number
}

/** Requests, the newest first. */
export async function listReveals(query: Query, filter: RevealFilter): Promise<readonly Reveal[]> {
  return query<Reveal>(
    `select ${REVEAL_COLUMNS} from ${REVEALS}
      where ($1::text is null or reveal.department = $1) and ($2::bigint is null or reveal.reveal_id < $2)
        and (not $3 or (first_look is not null and finding is null))
      order by reveal.reveal_id desc limit $4`,
    [filter.department, filter.before, filter.isToReview, filter.limit],
  )
}

/** Throws REVEAL_STATE where the duty was done already, SECOND_PERSON where the account has done the other one. */
export async function insertRevealDecision(query: Query, revealId: number, given: RevealDecision): Promise<void> {
  const rows = await query(
    `insert into reveal_approval (reveal_id, duty, account_id, decision, reason) values ($1, $2, $3, $4, $5)
       on conflict do nothing returning 1`,
    [revealId, given.duty, given.accountId, given.decision, given.reason],
  )
  if (rows.length === 1) return
  const [own] = await query('select from reveal_approval where reveal_id = $1 and account_id = $2', [
    revealId,
    given.accountId,
  ])
  if (own !== undefined) throw new AppError('SECOND_PERSON', revealName(revealId))
  throw new AppError('REVEAL_STATE', `${given.duty} was decided already`)
}

export async function listRevealApprovals(query: Query, revealId: number): Promise<readonly RevealApproval[]> {
  return query<RevealApproval>(
    `select duty, decision, reason, account.name as by, decided_at as "decidedAt"
       from reveal_approval join account using (account_id) where reveal_id = $1 order by decided_at`,
    [revealId],
  )
}

/** A record of a request; `sealed` is null where it was removed or withdrawn since. */
export interface NamedRecord extends RecordName {
  readonly sealed: Uint8Array | null
  /** Token of the person, 32 hexadecimal digits. */
  readonly subject: string | null
}

export async function readNamedRecords(query: Query, revealId: number): Promise<readonly NamedRecord[]> {
  return query<NamedRecord>(
    `select feed.code as feed, record.source_record_id as "recordId", sealed, encode(subject, 'hex') as subject
       from reveal_record join feed using (feed_id) join record using (feed_id, source_record_id)
      where reveal_id = $1 order by place`,
    [revealId],
  )
}

export async function insertLook(query: Query, revealId: number, accountId: number, records: number): Promise<void> {
  await query('insert into reveal_look (reveal_id, account_id, records) values ($1, $2, $3)', [
    revealId,
    accountId,
    records,
  ])
}

export interface RevealReview {
  readonly finding: 'ok' | 'not-ok'
  readonly note: string
}

/** Throws REVEAL_STATE where it was reviewed already. */
export async function insertReview(
  query: Query,
  revealId: number,
  accountId: number,
  { finding, note }: RevealReview,
): Promise<void> {
  const rows = await query(
    `insert into reveal_review (reveal_id, account_id, finding, note) values ($1, $2, $3, $4)
       on conflict do nothing returning 1`,
    [revealId, accountId, finding, note],
  )
  if (rows.length === 0) throw new AppError('REVEAL_STATE', 'it was reviewed already')
}

/** Hours in which every reveal that was looked at has to be reviewed. */
const REVIEW_HOURS = 24

/** Reveals whose review is overdue, and for how many hours they wait. */
export async function listUnreviewed(
  query: Query,
): Promise<readonly { readonly revealId: number; readonly hours: number }[]> {
  return query(
    `select reveal_id as "revealId", floor(extract(epoch from clock_timestamp() - first_look) / 3600)::int8 as hours
       from reveal_state left join reveal_review using (reveal_id)
      where finding is null and first_look < clock_timestamp() - make_interval(hours => $1)`,
    [REVIEW_HOURS],
  )
}
