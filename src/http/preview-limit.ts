import { AppError } from '../errors.ts'
import { actorOf, type Account } from '../store/accounts.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { findPreviewWait, forgetPreviews, insertPreview, lockPreviews } from '../store/preview-use.ts'
import type { ManagementContext } from './management.ts'

/**
 * Counts a preview that the account asks for, before the source is read, so that one that fails counts too. Throws
 * PREVIEWS_SPENT, with the milliseconds to wait as `retryAfterMs` of its cause, and audits the refusal.
 */
export async function assertMayPreview(
  { database, auditDeadlineMs, previewsPerHour }: ManagementContext,
  account: Account,
  feed: string,
): Promise<void> {
  const waitMs = await database.transaction(async ({ query }) => {
    await lockPreviews(query, account.accountId)
    await forgetPreviews(query, account.accountId)
    const spentFor = await findPreviewWait(query, account.accountId, previewsPerHour)
    if (spentFor === null) await insertPreview(query, account.accountId)
    return spentFor
  })
  if (waitMs === null) return
  const details = { reason: 'PREVIEWS_SPENT', action: 'feed.preview', mostInAnHour: previewsPerHour }
  await auditBeforeAnswer(database, 'access.denied', auditDeadlineMs, ({ audit }) =>
    audit({ type: 'access.denied', actor: actorOf(account), outcome: 'denied', feed, details }),
  )
  const minutes = Math.ceil(waitMs / 60_000)
  throw new AppError('PREVIEWS_SPENT', `${previewsPerHour} in an hour; ask again in ${minutes} minutes`, {
    cause: { retryAfterMs: waitMs },
  })
}
