import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { TSchema } from 'typebox'
import type { Dataset } from '../feeds/datasets.ts'
import type { Jurisdiction } from '../feeds/jurisdiction.ts'
import { holdsPersonalNumber } from '../feeds/formats.ts'
import { AppError } from '../errors.ts'
import type { Action } from '../security/permissions.ts'
import type { EgressGuard } from '../security/egress.ts'
import type { RevealRules } from '../sharing/reveals.ts'
import type { Account } from '../store/accounts.ts'
import { findFeed, type Feed } from '../store/feeds.ts'
import { assertPermitted, recogniseAccount } from './accounts.ts'
import { problemAnswers } from './problem-schema.ts'
import type { SignInContext } from './sign-in.ts'

/** What the routes of the management API work with. */
export interface ManagementContext extends SignInContext {
  readonly datasets: ReadonlyMap<string, Dataset>
  /** How many working days each duty may take. */
  readonly jurisdiction: Jurisdiction
  /** What this installation may call at all. */
  readonly egress: EgressGuard
  /** How many previews one account may ask for in an hour. */
  readonly previewsPerHour: number
  readonly revealRules: RevealRules
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

/** Routes as a plugin. */
export const asPlugin =
  (routes: readonly Route[]): FastifyPluginAsyncTypebox<ManagementContext> =>
  async (server, context) => {
    for (const route of routes) route(server, context)
  }

/** A number in groups, as people write it: `510502 19900307 1234`, `138-0000-0000`. */
const GROUPED = /(?<=\d)[\s\u2010-\u2015-]{1,3}(?=[\dXx])/g

/**
 * Refuses words of people that hold a number of a person, also one in groups or in wide characters: what is said of a feed is read by
 * everybody. Throws REQUEST_INVALID.
 */
export function assertImpersonal(place: string, words: string | null): void {
  if (words === null) return
  const plain = words.normalize('NFKC')
  // Joined alone, a date before a telephone number would hide it.
  if (holdsPersonalNumber(plain) || holdsPersonalNumber(plain.replaceAll(GROUPED, '')))
    throw new AppError('REQUEST_INVALID', `body/${place}: holds the number of a person; leave it out`)
}
