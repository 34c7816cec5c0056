import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import { issueToken, type ClientContext } from './clients.ts'
import { problemAnswers } from './problem-schema.ts'

const Token = Type.Object(
  {
    access_token: Type.String({ description: 'Send it as Authorization: Bearer …' }),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({ description: 'Seconds' }),
  },
  {
    title: 'Token',
    examples: [{ access_token: 'bm90LWEtdG9rZW4tYnV0LWFuLWV4YW1wbGUtb2Ytb25l', token_type: 'Bearer', expires_in: 600 }],
  },
)

/** POST /oauth/token: the client-credentials grant with client_secret_basic. */
export const tokenRoute: FastifyPluginAsyncTypebox<ClientContext> = async (server, context) => {
  server.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: 4096 },
    (_request, body, done) => {
      done(null, Object.fromEntries(new URLSearchParams(String(body))))
    },
  )
  server.post(
    '/oauth/token',
    {
      schema: {
        operationId: 'issueToken',
        tags: ['sharing'],
        summary: '签发访问令牌 / Issue an access token',
        description:
          'The client-credentials grant of RFC 6749 §4.4 with client_secret_basic: both parts form-encoded inside the Base64.',
        security: [{ client: [] }],
        consumes: ['application/x-www-form-urlencoded'],
        body: Type.Object({ grant_type: Type.String({ description: 'client_credentials' }) }),
        response: {
          200: { description: '令牌 / The token', content: { 'application/json': { schema: Token } } },
          ...problemAnswers,
        },
      },
    },
    async (request, reply) => {
      if (request.body.grant_type !== 'client_credentials')
        throw new AppError('REQUEST_INVALID', 'grant_type must be client_credentials')
      void reply.header('cache-control', 'no-store')
      return issueToken(context, request.headers.authorization)
    },
  )
}
