import type { Static } from 'typebox'
import { AppError } from '../errors.ts'
import { revealDuties } from '../security/permissions.ts'
import { askReveal, decideReveal, lookAtReveal, reviewReveal } from '../sharing/reveals.ts'
import { findReveal, listRevealApprovals, listReveals, type Reveal } from '../store/reveals.ts'
import { actorOf, assertPermitted, recogniseAccount } from './accounts.ts'
import { asPlugin, assertImpersonal, describeRoute, type ManagementContext, type Route } from './management.ts'
import {
  RevealBody,
  RevealDecisionBody,
  RevealedView,
  RevealNumber,
  RevealPage,
  RevealReviewBody,
  RevealsQuery,
  RevealView,
  viewLook,
  viewReveal,
} from './reveal-schemas.ts'

const show = async ({ database }: ManagementContext, reveal: Reveal) =>
  viewReveal(reveal, await listRevealApprovals(database.query, reveal.revealId))

/** The request of a body, refused where its words hold a number of a person. Throws REQUEST_INVALID. */
function readRequest({ datasets }: ManagementContext, body: Static<typeof RevealBody>, department: string) {
  const { caseNumber, reason, urgent = false, minutes = null } = body
  const dataset = datasets.get(body.dataset)
  if (dataset === undefined) throw new AppError('REQUEST_INVALID', 'body/dataset: there is no such dataset')
  assertImpersonal('reason', reason)
  assertImpersonal('caseNumber', caseNumber)
  const records = body.records.map((id) => {
    const [feed = '', recordId = ''] = id.split('/')
    return { feed, recordId }
  })
  return { ...body, dataset, records, department, urgent, minutes }
}

const askRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'askReveal',
      '申请明文查看 / Ask to see clear values of named records of the own department',
      RevealView,
      'Two others have to agree, the data owner of the department and the security administrator. Nobody else than who asks may look.',
    ),
    body: RevealBody,
  }
  server.post('/api/v1/reveals', { schema }, async ({ headers, body }) => {
    const account = await recogniseAccount(context, headers.authorization)
    await assertPermitted(context, account, 'reveal.ask', account.department)
    const request = readRequest(context, body, account.department ?? '')
    return show(context, await askReveal(context, account, request))
  })
}

const listRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'listReveals',
      '明文查看申请与复核清单 / Requests of the own department, or all; with review, those that wait to be reviewed',
      RevealPage,
    ),
    querystring: RevealsQuery,
  }
  server.get('/api/v1/reveals', { schema }, async ({ headers, query }) => {
    const account = await recogniseAccount(context, headers.authorization)
    const { department } = account
    await assertPermitted(context, account, 'reveal.read', department)
    const { review: isToReview = false, cursor = null, limit = 50 } = query
    const found = await listReveals(context.database.query, { department, isToReview, before: cursor, limit })
    const reveals = await Promise.all(found.map((reveal) => show(context, reveal)))
    return { reveals, cursor: found.length < limit ? null : (found.at(-1)?.revealId ?? null) }
  })
}

const showRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute('showReveal', '明文查看申请 / A request and what was decided about it', RevealView),
    params: RevealNumber,
  }
  server.get('/api/v1/reveals/:revealId', { schema }, async ({ headers, params }) => {
    const account = await recogniseAccount(context, headers.authorization)
    const reveal = await findReveal(context.database.query, params.revealId)
    await assertPermitted(context, account, 'reveal.read', reveal.department)
    return show(context, reveal)
  })
}

const decideRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'decideReveal',
      '审批明文查看 / Agree to a reveal, or refuse it with a reason',
      RevealView,
      'Each duty is done by an account of its own, and by none that asks.',
    ),
    params: RevealNumber,
    body: RevealDecisionBody,
  }
  server.post('/api/v1/reveals/:revealId/approvals', { schema }, async ({ headers, params, body }) => {
    const { duty, decision, reason = null } = body
    const account = await recogniseAccount(context, headers.authorization)
    const asked = await findReveal(context.database.query, params.revealId)
    await assertPermitted(context, account, revealDuties[duty], asked.department)
    assertImpersonal('reason', reason)
    const given = { duty, decision, reason, accountId: account.accountId }
    return show(context, await decideReveal(context, asked.revealId, given, actorOf(account)))
  })
}

const lookRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'lookAtReveal',
      '查看明文 / Look at the clear values, for who asked and while the time lasts',
      RevealedView,
      'The time runs from the first look. Each look has an audit entry that names the records and is committed before the answer.',
    ),
    params: RevealNumber,
  }
  server.get('/api/v1/reveals/:revealId/records', { schema }, async ({ headers, params }, reply) => {
    const account = await recogniseAccount(context, headers.authorization)
    const { department, accountId } = await findReveal(context.database.query, params.revealId)
    // Of somebody else's request it is nobody's own.
    await assertPermitted(context, account, 'reveal.look', accountId === account.accountId ? department : null)
    void reply.header('cache-control', 'no-store')
    return viewLook(await lookAtReveal(context, account, params.revealId))
  })
}

const reviewRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'reviewReveal',
      '复核明文查看 / Say after a reveal whether it was right',
      RevealView,
      'Wanted within 24 hours of the first look; what is late is an alert.',
    ),
    params: RevealNumber,
    body: RevealReviewBody,
  }
  server.post('/api/v1/reveals/:revealId/review', { schema }, async ({ headers, params, body }) => {
    const account = await recogniseAccount(context, headers.authorization)
    await assertPermitted(context, account, 'reveal.review', null)
    assertImpersonal('note', body.note)
    return show(context, await reviewReveal(context, params.revealId, account, body))
  })
}

/** Clear values for people: asked for, agreed to by two others, looked at for a while, and reviewed. */
export const revealRoutes = asPlugin([askRoute, listRoute, showRoute, decideRoute, lookRoute, reviewRoute])
