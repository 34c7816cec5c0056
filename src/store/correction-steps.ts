import { noticeOfState, settledStates, waitingStates, type CorrectionState } from '../feeds/correction-life.ts'
import { AppError } from '../errors.ts'
import { clearObjectAlert, raiseObjectAlert } from './alerts.ts'
import { findCorrection, type Correction } from './corrections.ts'
import type { Transaction } from './database.ts'
import { appendNotice } from './notices.ts'

/** One step of a correction. */
export interface CorrectionStep {
  readonly from: readonly CorrectionState[]
  readonly to: Exclude<CorrectionState, 'open'>
  readonly actor: string
  readonly reason?: string | null
  readonly answeredBy?: number
  /** For `source-fixed`: the last version of the record without the fix; without it the version that rests now. */
  readonly fixedAfter?: number | null
}

const objectOf = (correctionId: number): string => `correction/${correctionId}`

/** What the consumer is told; the department's words hold no number of a person. */
const noticeOf = ({ correctionId, reference, dataset, id, state, reason }: Correction) => ({
  correctionId,
  reference,
  dataset,
  id,
  state,
  reason,
})

/** $1 correction, $2 states it may be in, $3 new state, $4 reason, $5 account that answered, $6 last version without the fix. */
const STEP = `
  update correction set state = $3, reason = coalesce($4, correction.reason), change_tx = pg_current_xact_id(),
         accepted_at = case $3 when 'accepted' then clock_timestamp() else accepted_at end,
         answered_at = case when $3 in ('source-fixed', 'rejected', 'cannot-find') then clock_timestamp() else answered_at end,
         answered_by = coalesce($5, answered_by),
         fixed_after = case $3 when 'source-fixed' then coalesce($6, record.version) else fixed_after end,
         synced_at = case $3 when 'synced' then clock_timestamp() else synced_at end,
         synced_version = case $3 when 'synced' then record.version else synced_version end,
         closed_at = case $3 when 'closed' then clock_timestamp() else closed_at end
    from record
   where correction_id = $1 and correction.state = any($2)
     and record.feed_id = correction.feed_id and record.source_record_id = correction.source_record_id
  returning 1`

/**
 * Takes one step: state, notice for the consumer, audit entry and, with the answer, the end of an alert. Throws CORRECTION_STATE
 * where the correction is not in a state that it leads on from, CORRECTION_UNKNOWN.
 */
export async function takeStep(
  transaction: Transaction,
  correctionId: number,
  step: CorrectionStep,
): Promise<Correction> {
  const { query, audit } = transaction
  const { from, to, actor, reason = null, answeredBy = null, fixedAfter = null } = step
  const taken = await query(STEP, [correctionId, from, to, reason, answeredBy, fixedAfter])
  const correction = await findCorrection(query, correctionId)
  if (taken.length === 0)
    throw new AppError('CORRECTION_STATE', `it is ${correction.state}, wanted ${from.join(' or ')}`)
  await appendNotice(query, correction.consumerId, noticeOfState[to], noticeOf(correction))
  if (!waitingStates.includes(to)) await clearObjectAlert(query, objectOf(correctionId), 'correction-overdue')
  const { feed, dataset, agreement } = correction
  const fact = { actor, outcome: 'ok', feed, dataset, agreement, object: objectOf(correctionId) } as const
  await audit({ ...fact, type: 'correction.moved', details: { to } })
  return correction
}

/**
 * Moves on every correction whose record came in anew after its source was fixed: of one feed, or of all where `feedId` is null.
 * Returns how many.
 */
export async function syncCorrections(transaction: Transaction, feedId: number | null): Promise<number> {
  const fixed = await transaction.query<{ correctionId: number }>(
    `select correction_id as "correctionId" from correction join record using (feed_id, source_record_id)
      where state = 'source-fixed' and record.version > fixed_after and ($1::int is null or feed_id = $1)
      order by correction_id limit 500 for no key update of correction skip locked`,
    [feedId],
  )
  const step = { from: ['source-fixed'], to: 'synced', actor: 'system:worker' } as const
  for (const { correctionId } of fixed) await takeStep(transaction, correctionId, step)
  return fixed.length
}

/** Tells once of every correction whose answer is late. Returns how many. */
export async function raiseOverdueCorrections(transaction: Transaction): Promise<number> {
  const late = await transaction.query<{ correctionId: number; department: string; feed: string }>(
    `update correction set overdue_at = clock_timestamp() from feed
      where correction.feed_id = feed.feed_id and overdue_at is null and correction.state = any($1) and due_at < clock_timestamp()
      returning correction_id as "correctionId", department, code as feed`,
    [waitingStates],
  )
  for (const { correctionId, department, feed } of late)
    await raiseObjectAlert(transaction, {
      kind: 'correction-overdue',
      object: objectOf(correctionId),
      department,
      details: { feed },
    })
  return late.length
}

/** Closes a correction that ended. Throws CORRECTION_STATE, CORRECTION_UNKNOWN. */
export async function closeCorrection(
  transaction: Transaction,
  correctionId: number,
  actor: string,
): Promise<Correction> {
  return takeStep(transaction, correctionId, { from: settledStates, to: 'closed', actor })
}
