import { AppError } from '../errors.ts'
import type { Action } from '../security/permissions.ts'
import type { Account } from '../store/accounts.ts'
import type { UsageScope } from '../store/usage.ts'
import { assertPermitted, recogniseAccount } from './accounts.ts'
import { recogniseClient } from './clients.ts'
import type { ManagementContext } from './management.ts'

/** The account behind a token; null where it is no account's. */
async function findAccount(context: ManagementContext, authorization: string | undefined): Promise<Account | null> {
  try {
    return await recogniseAccount(context, authorization)
  } catch (error) {
    if (error instanceof AppError && error.code === 'TOKEN_INVALID') return null
    throw error
  }
}

/**
 * What whoever asks may see of what is shared: a consumer its own, an account of a department what is made of its feeds, the roles of
 * the whole city all of it. Throws TOKEN_INVALID, FORBIDDEN.
 */
export async function admitViewer(
  context: ManagementContext,
  authorization: string | undefined,
  action: Action,
): Promise<UsageScope> {
  const merged = [...context.datasets.values()].filter(({ merge }) => merge !== null).map(({ name }) => name)
  const account = await findAccount(context, authorization)
  if (account === null) {
    const { consumerId } = await recogniseClient(context, authorization)
    return { consumerId, department: null, merged }
  }
  await assertPermitted(context, account, action, account.department)
  return { consumerId: null, department: account.department, merged }
}
