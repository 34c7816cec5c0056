import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import type { ClientContext } from './clients.ts'
import { thumbprintOf } from './peer-certificate.ts'
import { problemAnswers } from './problem-schema.ts'
import { issueToken } from './token-grants.ts'

const Token = Type.Object(
  {
    access_token: Type.String({ description: 'Send it as Authorization: Bearer …' }),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({ description: 'Seconds' }),
  },
  { title: 'Token' },
)

const TokenForm = Type.Object({
  grant_type: Type.String({ description: 'client_credentials' }),
  client_assertion_type: Type.Optional(
    Type.String({ description: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer, with an assertion' }),
  ),
  client_assertion: Type.Optional(
    Type.String({ description: 'A JWT of RFC 7523, signed with a registered key; in place of HTTP Basic credentials' }),
  ),
})

/** POST /oauth/token: the client-credentials grant with client_secret_basic or private_key_jwt. */
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
          'The client-credentials grant of RFC 6749 §4.4, with client_secret_basic (both parts form-encoded inside the Base64) or private_key_jwt (RFC 7523). Where the client has registered certificates, the token is bound to the one of the connection (RFC 8705).',
        security: [{ client: [] }, {}],
        consumes: ['application/x-www-form-urlencoded'],
        body: TokenForm,
        response: {
          200: { description: '令牌 / The token', content: { 'application/json': { schema: Token } } },
          ...problemAnswers,
        },
      },
    },
    async (request, reply) => {
      const { grant_type: grant, client_assertion_type: assertionType, client_assertion: assertion } = request.body
      if (grant !== 'client_credentials') throw new AppError('REQUEST_INVALID', 'grant_type must be client_credentials')
      void reply.header('cache-control', 'no-store')
      const { authorization } = request.headers
      return issueToken(context, { authorization, assertionType, assertion, thumbprint: thumbprintOf(request) })
    },
  )
}
