import type { FastifyRequest } from 'fastify'
import type { Action } from '../security/permissions.ts'
import { findSubscription, type Subscription } from '../store/subscriptions.ts'
import { actorOf, assertPermitted } from './accounts.ts'
import { recogniseClient, type ClientContext } from './clients.ts'
import { findAccount } from './viewer.ts'

/** Whoever manages subscriptions: the consumer itself, its own only, or an account, those of every consumer. */
export interface Caller {
  /** As the audit log names it. */
  readonly actor: string
  /** The consumer to whose things it is limited; null for an account. */
  readonly consumer: string | null
}

/**
 * The caller of a request: a consumer may do everything with what is its own, an account what its role allows. Throws TOKEN_INVALID,
 * FORBIDDEN.
 */
export async function admitCaller(context: ClientContext, request: FastifyRequest, action: Action): Promise<Caller> {
  const account = await findAccount(context, request)
  if (account === null) {
    const { name } = await recogniseClient(context, request)
    return { actor: `consumer:${name}`, consumer: name }
  }
  await assertPermitted(context, account, action, null)
  return { actor: actorOf(account), consumer: null }
}

/** The caller and the subscription that it may do the action with. Throws TOKEN_INVALID, FORBIDDEN, SUBSCRIPTION_UNKNOWN. */
export async function admitToSubscription(
  context: ClientContext,
  request: FastifyRequest,
  action: Action,
  subscriptionId: number,
): Promise<{ readonly caller: Caller; readonly subscription: Subscription }> {
  const caller = await admitCaller(context, request, action)
  return { caller, subscription: await findSubscription(context.database.query, subscriptionId, caller.consumer) }
}
