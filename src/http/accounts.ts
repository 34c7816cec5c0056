import { AppError } from '../errors.ts'
import { isPermitted, type Action, type Owner } from '../security/permissions.ts'
import { actorOf, type Account } from '../store/accounts.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { noteActor } from '../store/audit-trail.ts'
import { findSession } from '../store/sessions.ts'
import { readTokenHash, type ClientContext } from './clients.ts'

export { actorOf }

/** The account behind a session's token. Throws TOKEN_INVALID, also for the token of a consumer. */
export async function recogniseAccount(
  { database, keys }: ClientContext,
  authorization: string | undefined,
): Promise<Account> {
  const { account } = await findSession(database.query, readTokenHash(keys, authorization))
  noteActor(actorOf(account))
  return account
}

/**
 * Lets the account do the action with something of `owner` (null: of the whole city), or audits the refusal and throws
 * FORBIDDEN. Throws AUDIT_UNAVAILABLE.
 */
export async function assertPermitted(
  { database, auditDeadlineMs }: ClientContext,
  account: Account,
  action: Action,
  owner: Owner,
): Promise<void> {
  if (isPermitted(account, action, owner)) return
  const department = typeof owner === 'string' ? owner : (owner?.department ?? null)
  const details = { reason: 'FORBIDDEN', action, department }
  await auditBeforeAnswer(database, 'access.denied', auditDeadlineMs, ({ audit }) =>
    audit({ type: 'access.denied', actor: actorOf(account), outcome: 'denied', details }),
  )
  const whose = department === null ? 'the whole city' : `department ${department}`
  throw new AppError('FORBIDDEN', `${account.role} may not ${action} for ${whose}; ask an account whose role may`)
}

/**
 * Turns a request into the account that makes it and asserts that it may do the action. Where the department is only known from
 * the thing itself, recognise the account first, then find the thing, then assert. Throws TOKEN_INVALID, FORBIDDEN.
 */
export async function admit(
  context: ClientContext,
  authorization: string | undefined,
  action: Action,
  department: string | null = null,
): Promise<Account> {
  const account = await recogniseAccount(context, authorization)
  await assertPermitted(context, account, action, department)
  return account
}
