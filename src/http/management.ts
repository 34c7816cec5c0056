import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { TSchema } from 'typebox'
import type { Dataset } from '../feeds/datasets.ts'
import type { Jurisdiction } from '../feeds/jurisdiction.ts'
import { holdsPersonalNumber } from '../feeds/formats.ts'
import { AppError } from '../errors.ts'
import type { Action } from '../security/permissions.ts'
import type { EgressGuard } from '../security/egress.ts'
import type { Account } from '../store/accounts.ts'
import { findFeed, type Feed } from '../store/feeds.ts'
import { assertPermitted, recogniseAccount } from './accounts.ts'
import type { ClientContext } from './clients.ts'
import { problemAnswers } from './problem-schema.ts'

/** What the routes of the management API work with. */
export interface ManagementContext extends ClientContext {
  readonly datasets: ReadonlyMap<string, Dataset>
  /** How many working days each duty may take. */
  readonly jurisdiction: Jurisdiction
  /** What this installation may call at all. */
  readonly egress: EgressGuard
  /** How many previews one account may ask for in an hour. */
  readonly previewsPerHour: number
}

/** The description of a route for accounts: its name, what it does in both languages, and its answer. */
export const describeRoute = <Answer extends TSchema>(
  operationId: string,
  summary: string,
  answer: Answer,
  description = '',
) => ({
  operationId,
  tags: ['management'],
  summary,
  ...(description === '' ? {} : { description }),
  security: [{ token: [] }],
  response: {
    200: { description: summary, content: { 'application/json': { schema: answer } } },
    ...problemAnswers,
  },
})

/** The account of a request and the feed it is about. Throws TOKEN_INVALID, FEED_UNKNOWN, FORBIDDEN. */
export async function admitToFeed(
  context: ManagementContext,
  authorization: string | undefined,
  action: Action,
  code: string,
): Promise<{ readonly account: Account; readonly feed: Feed }> {
  const account = await recogniseAccount(context, authorization)
  const feed = await findFeed(context.database.query, code)
  await assertPermitted(context, account, action, feed.department)
  return { account, feed }
}

export type ManagementServer = Parameters<FastifyPluginAsyncTypebox<ManagementContext>>[0]

/** One route, added to the server that it is given. */
export type Route = (server: ManagementServer, context: ManagementContext) => void

/** Routes as a plugin; every body is looked at before its schema is. */
export const asPlugin =
  (routes: readonly Route[]): FastifyPluginAsyncTypebox<ManagementContext> =>
  async (server, context) => {
    server.addHook('preValidation', async (request) => assertPlainBody(request.body))
    for (const route of routes) route(server, context)
  }

/** A manifest is four levels deep; the deepest of its parts ends at eight. */
const MOST_LEVELS = 16

/**
 * Refuses a body that is deeper than anything this API takes, or that holds text which no database can keep, before anybody
 * walks through it. Throws REQUEST_INVALID.
 */
export function assertPlainBody(body: unknown): void {
  let level: readonly unknown[] = [body]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MOST_LEVELS) throw new AppError('REQUEST_INVALID', `body: deeper than ${MOST_LEVELS} levels`)
    level = level.flatMap((value) =>
      typeof value === 'object' && value !== null ? Object.entries(value).flat() : checked(value),
    )
  }
}

/** Refuses words of people that hold a number of a person: what is said of a feed is read by everybody. Throws REQUEST_INVALID. */
export function assertImpersonal(place: string, words: string | null): void {
  if (words !== null && holdsPersonalNumber(words))
    throw new AppError('REQUEST_INVALID', `body/${place}: holds the number of a person; leave it out`)
}

const NUL = String.fromCharCode(0)

function checked(value: unknown): readonly unknown[] {
  if (typeof value === 'string' && (!value.isWellFormed() || value.includes(NUL)))
    throw new AppError('REQUEST_INVALID', 'body: a text holds NUL or half a character')
  return []
}
