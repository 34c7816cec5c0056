import type { FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'
import type { Action } from '../security/permissions.ts'
import type { Account } from '../store/accounts.ts'
import { findConsumer } from '../store/consumers.ts'
import type { UsageScope } from '../store/usage.ts'
import { assertPermitted, recogniseAccount } from './accounts.ts'
import { recogniseClient, type ClientContext } from './clients.ts'
import type { ManagementContext } from './management.ts'

/** The account behind the token of a request; null where it is no account's. */
export async function findAccount(context: ClientContext, { headers }: FastifyRequest): Promise<Account | null> {
  try {
    return await recogniseAccount(context, headers.authorization)
  } catch (error) {
    if (error instanceof AppError && error.code === 'TOKEN_INVALID') return null
    throw error
  }
}

/**
 * What whoever asks may see of what is shared: a consumer and its engineers its own, an account of a department what is made of its
 * feeds, the roles of the whole city all of it. Throws TOKEN_INVALID, FORBIDDEN, and as `recogniseClient`.
 */
export async function admitViewer(
  context: ManagementContext,
  request: FastifyRequest,
  action: Action,
): Promise<UsageScope> {
  const merged = [...context.datasets.values()].filter(({ merge }) => merge !== null).map(({ name }) => name)
  const account = await findAccount(context, request)
  if (account === null) {
    const { consumerId } = await recogniseClient(context, request)
    return { consumerId, department: null, merged }
  }
  const { department, consumer } = account
  await assertPermitted(context, account, action, { department, consumer })
  const consumerId = consumer === null ? null : (await findConsumer(context.database.query, consumer)).consumerId
  return { consumerId, department, merged }
}
