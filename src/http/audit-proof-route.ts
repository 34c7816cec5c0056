import { Type } from 'typebox'
import { proveEntry } from '../jobs/entry-proof.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { actorOf, admit } from './accounts.ts'
import { asPlugin, type Route } from './management.ts'
import { problemAnswers } from './problem-schema.ts'

const Params = Type.Object({
  entryId: Type.String({
    pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$',
    description: 'Id of the entry',
  }),
})

const summary = '审计条目证明 / The proof of one audit entry, to be judged without this system'

const proveRoute: Route = (server, context) => {
  const schema = {
    operationId: 'proveAuditEntry',
    tags: ['management'],
    summary,
    description: 'C2SP tlog-proof: the entry itself, its place, the path to the signed root, the checkpoint.',
    security: [{ token: [] }],
    params: Params,
    response: {
      200: { description: summary, content: { 'text/plain': { schema: Type.String() } } },
      ...problemAnswers,
    },
  }
  server.get('/api/v1/audit/entries/:entryId/proof', { schema }, async ({ headers, params }, reply) => {
    const account = await admit(context, headers.authorization, 'audit-proof.read')
    const { entryId } = params
    const { text } = await proveEntry(context.database.query, entryId)
    const event = { type: 'evidence.proven', actor: actorOf(account), outcome: 'ok' } as const
    await auditBeforeAnswer(context.database, 'evidence.proven', context.auditDeadlineMs, ({ audit }) =>
      audit({ ...event, object: `entry/${entryId}` }),
    )
    return reply.type('text/plain; charset=utf-8').send(text)
  })
}

/** GET /api/v1/audit/entries/:entryId/proof */
export const auditProofRoute = asPlugin([proveRoute])
