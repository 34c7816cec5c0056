import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { permissionsOf, roles } from '../security/permissions.ts'
import { recogniseAccount } from './accounts.ts'
import type { ClientContext } from './clients.ts'
import { problemAnswers } from './problem-schema.ts'

const AccountView = Type.Object(
  {
    name: Type.String({ description: 'Name of the account' }),
    role: Type.String({ enum: [...roles], description: 'Its one role' }),
    department: Type.Union([Type.String(), Type.Null()], {
      description: 'The department it belongs to; null for a role that is not of a department',
    }),
    consumer: Type.Union([Type.String(), Type.Null()], {
      description: 'The consumer it belongs to; null for a role that is not of a consumer',
    }),
    permissions: Type.Record(Type.String(), Type.String({ enum: ['own', 'all'] }), {
      description:
        'What it may do, by action: own is for its own department or consumer only, all is for the whole city',
    }),
  },
  { title: 'Account' },
)

/** GET /api/v1/account: who am I, and what may I do. */
export const accountRoute: FastifyPluginAsyncTypebox<ClientContext> = async (server, context) => {
  const schema = {
    operationId: 'showAccount',
    tags: ['management'],
    summary: '当前账号及其权限 / The account behind the token and what it may do',
    security: [{ token: [] }],
    response: {
      200: { description: '账号 / The account', content: { 'application/json': { schema: AccountView } } },
      ...problemAnswers,
    },
  }
  server.get('/api/v1/account', { schema }, async (request, reply) => {
    const { name, role, department, consumer } = await recogniseAccount(context, request.headers.authorization)
    void reply.header('cache-control', 'no-store')
    return { name, role, department, consumer, permissions: permissionsOf(role) as Record<string, string> }
  })
}
