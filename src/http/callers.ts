import { AppError } from '../errors.ts'
import type { Action } from '../security/permissions.ts'
import { findSubscription, type Subscription } from '../store/subscriptions.ts'
import { actorOf, assertPermitted, recogniseAccount } from './accounts.ts'
import { recogniseClient, type ClientContext } from './clients.ts'

/** Whoever manages subscriptions: the consumer itself, its own only, or an account, those of every consumer. */
export interface Caller {
  /** As the audit log names it. */
  readonly actor: string
  /** The consumer to whose things it is limited; null for an account. */
  readonly consumer: string | null
}

/** The consumer behind a bearer token, null where it is the token of somebody else. */
async function findClient(context: ClientContext, authorization: string | undefined): Promise<string | null> {
  try {
    return (await recogniseClient(context, authorization)).name
  } catch (error) {
    if (error instanceof AppError && error.code === 'TOKEN_INVALID') return null
    throw error
  }
}

/**
 * The caller of a request: a consumer may do everything with what is its own, an account what its role allows. Throws TOKEN_INVALID,
 * FORBIDDEN.
 */
export async function admitCaller(
  context: ClientContext,
  authorization: string | undefined,
  action: Action,
): Promise<Caller> {
  const consumer = await findClient(context, authorization)
  if (consumer !== null) return { actor: `consumer:${consumer}`, consumer }
  const account = await recogniseAccount(context, authorization)
  await assertPermitted(context, account, action, null)
  return { actor: actorOf(account), consumer: null }
}

/** The caller and the subscription that it may do the action with. Throws TOKEN_INVALID, FORBIDDEN, SUBSCRIPTION_UNKNOWN. */
export async function admitToSubscription(
  context: ClientContext,
  authorization: string | undefined,
  action: Action,
  subscriptionId: number,
): Promise<{ readonly caller: Caller; readonly subscription: Subscription }> {
  const caller = await admitCaller(context, authorization, action)
  return { caller, subscription: await findSubscription(context.database.query, subscriptionId, caller.consumer) }
}
