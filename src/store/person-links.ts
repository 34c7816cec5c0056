import { AppError } from '../errors.ts'
import type { Query } from './database.ts'
import { CHANGED_COLUMNS, type ChangedRecord } from './persons.ts'

/** Why a reviewer parts or joins records: a closed list, because a free text would hold what it is about. */
export const linkReasons = {
  'number-mistyped': { en: 'The certificate number was entered wrongly', zh: '证件号码登记错误' },
  'number-shared': { en: 'Two persons were given one number', zh: '两人同号' },
  'records-mixed': { en: 'The source mixed up two persons', zh: '来源系统串户' },
  'decided-wrongly': { en: 'An earlier decision was wrong', zh: '此前决定有误' },
} as const

export type LinkReason = keyof typeof linkReasons

/** `part`: the record is a person of its own; `join`: it belongs to everybody else of its certificate again. */
export type LinkVerdict = 'part' | 'join'

export interface LinkDecision {
  readonly feed: string
  readonly recordId: string
  readonly decision: LinkVerdict
  readonly reason: LinkReason
  /** Who decided, as the audit log names them. */
  readonly by: string
}

/**
 * Writes a decision down; the merge follows it within seconds. It holds for the certificate that the record names now: when the
 * source corrects the number, the record is linked anew. Throws RECORD_UNKNOWN where no living record of a person has this name.
 */
export async function insertLinkDecision(query: Query, decision: LinkDecision): Promise<number> {
  const [row] = await query<{ decisionId: number }>(
    `insert into link_decision (feed_id, source_record_id, subject, decision, reason, decided_by)
       select feed_id, source_record_id, subject, $3, $4, $5 from record join feed using (feed_id)
        where feed.code = $1 and source_record_id = $2 and subject is not null
       returning decision_id as "decisionId"`,
    [decision.feed, decision.recordId, decision.decision, decision.reason, decision.by],
  )
  if (row === undefined)
    throw new AppError('RECORD_UNKNOWN', `no living record of ${decision.feed} with this id names a person`)
  return row.decisionId
}

/** A decision that the merge has not followed yet, and its record as it is now. */
export interface OpenDecision extends ChangedRecord {
  readonly decisionId: number
}

/** The oldest decisions that the merge has not followed yet, at most `limit`. */
export async function readOpenDecisions(query: Query, limit: number): Promise<readonly OpenDecision[]> {
  return query<OpenDecision>(
    `select open.decision_id as "decisionId", ${CHANGED_COLUMNS}
       from link_decision open join record using (feed_id, source_record_id) join feed using (feed_id)
      where open.merged_at is null order by open.decision_id limit $1`,
    [limit],
  )
}

/** Marks decisions as followed. */
export async function closeDecisions(query: Query, decisions: readonly number[]): Promise<void> {
  await query('update link_decision set merged_at = clock_timestamp() where decision_id = any($1::bigint[])', [
    decisions,
  ])
}
