import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import { isCreditCode } from '../feeds/formats.ts'
import { endCredential, giveCredential } from '../sharing/credentials.ts'
import { findConsumer, insertConsumer, listConsumers } from '../store/consumers.ts'
import { credentialKinds, listCredentials } from '../store/credentials.ts'
import { actorOf, admit } from './accounts.ts'
import { asPlugin, assertImpersonal, describeRoute, type Route } from './management.ts'

const consumerFacts = {
  name: Type.String({
    pattern: '^[a-z][a-z0-9-]{1,39}$',
    description: 'What it asks for tokens and signs requests with; no account and no other consumer has it',
  }),
  title: Type.String({ minLength: 2, maxLength: 100, pattern: '\\p{Script=Han}', description: '系统名称' }),
  creditCode: Type.String({ minLength: 18, maxLength: 18, description: '使用单位统一社会信用代码' }),
}

const ConsumerBody = Type.Object(consumerFacts, { additionalProperties: false, title: 'NewConsumer' })

const orNull = (description: string) => Type.Union([Type.Null(), Type.String()], { description })
const moment = (description: string) => Type.String({ format: 'date-time', description })
const momentOrNull = (description: string) =>
  Type.Union([Type.Null(), Type.String({ format: 'date-time' })], { description })

const ConsumerView = Type.Object(
  {
    name: Type.String({ description: 'Name of the consumer' }),
    title: orNull('系统名称; null where it was registered at the command line'),
    creditCode: orNull('使用单位统一社会信用代码; null where it was registered at the command line'),
    createdAt: moment('When it was registered'),
  },
  { title: 'Consumer' },
)
const ConsumerList = Type.Object(
  { consumers: Type.Array(ConsumerView, { description: 'By name' }) },
  { title: 'ConsumerList' },
)
const ConsumerAdded = Type.Object({ name: Type.String({ description: 'Its name' }) }, { title: 'ConsumerAdded' })

const kind = Type.String({
  enum: [...credentialKinds],
  description:
    'secret: for tokens; signing: for signed requests; key: a public key for private_key_jwt; certificate: what it has to connect with',
})
const fingerprint = Type.String({
  description: 'Tells it from others: of a key its RFC 7638 thumbprint, of a certificate its x5t#S256',
})
const CredentialView = Type.Object(
  {
    kind,
    fingerprint,
    digest: Type.Union([Type.Null(), Type.String({ enum: ['sm3', 'sha256'] })], {
      description: 'What a signing secret signs with; null for the other kinds',
    }),
    createdAt: moment('When it was made'),
    createdBy: Type.String({ description: 'Who made it' }),
    lastUsedAt: momentOrNull('When it was used last, to the minute; null: never'),
    retiredAt: momentOrNull('When it ended; null: it lives'),
  },
  { title: 'Credential' },
)
const CredentialList = Type.Object(
  { credentials: Type.Array(CredentialView, { description: 'In the order in which they were made' }) },
  { title: 'CredentialList' },
)
const CredentialMade = Type.Object(
  {
    consumer: Type.String({ description: 'Name of the consumer' }),
    kind,
    fingerprint,
    secret: orNull('Shown this once; null for a key and a certificate'),
  },
  { title: 'CredentialMade' },
)
const CredentialEnded = Type.Object({ kind, fingerprint }, { title: 'CredentialEnded' })

const CredentialBody = Type.Union(
  [
    Type.Object({ kind: Type.Literal('secret') }, { additionalProperties: false }),
    Type.Object(
      {
        kind: Type.Literal('signing'),
        digest: Type.Union([Type.Literal('sm3'), Type.Literal('sha256')], {
          description: 'sha256 is for clients whose software has no SM3',
        }),
      },
      { additionalProperties: false },
    ),
    Type.Object(
      {
        kind: Type.Literal('key'),
        publicKey: Type.Record(Type.String(), Type.Unknown(), {
          description: 'A public JWK: EC P-256, OKP Ed25519, or RSA of 2048 to 4096 bits',
        }),
      },
      { additionalProperties: false },
    ),
    Type.Object(
      {
        kind: Type.Literal('certificate'),
        thumbprint: Type.String({
          pattern: '^[A-Za-z0-9_-]{43}$',
          description: 'x5t#S256: Base64url of the SHA-256 of the certificate in DER form',
        }),
      },
      { additionalProperties: false },
    ),
  ],
  { title: 'NewCredential' },
)

const ConsumerPath = Type.Object({ name: consumerFacts.name })
const CredentialPath = Type.Object({
  name: consumerFacts.name,
  fingerprint: Type.String({ pattern: '^[A-Za-z0-9_-]{16,43}$', description: 'Fingerprint of the credential' }),
})

const listConsumersRoute: Route = (server, context) => {
  const schema = describeRoute('listConsumers', '使用方列表 / The consumers', ConsumerList)
  server.get('/api/v1/consumers', { schema }, async ({ headers }) => {
    await admit(context, headers.authorization, 'consumer.read')
    const consumers = await listConsumers(context.database.query)
    return { consumers: consumers.map((one) => ({ ...one, createdAt: one.createdAt.toISOString() })) }
  })
}

const addConsumerRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'addConsumer',
      '登记使用方 / Register a consumer',
      ConsumerAdded,
      'It can do nothing yet: it needs a credential and an agreement.',
    ),
    body: ConsumerBody,
  }
  server.post('/api/v1/consumers', { schema }, async ({ headers, body }) => {
    const account = await admit(context, headers.authorization, 'consumer.register')
    const { name, title, creditCode } = body
    if (!isCreditCode(creditCode))
      throw new AppError('REQUEST_INVALID', 'body/creditCode: the check character is wrong')
    assertImpersonal('title', title)
    await context.database.transaction(async ({ query, audit }) => {
      await insertConsumer(query, { name, title, creditCode, webhookUrl: null, webhookSecret: null })
      const details = { creditCode }
      await audit({
        type: 'consumer.added',
        actor: actorOf(account),
        outcome: 'ok',
        object: `consumer/${name}`,
        details,
      })
    })
    return { name }
  })
}

const listCredentialsRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'listCredentials',
      '使用方凭证列表 / What a consumer proves itself with, without any secret',
      CredentialList,
    ),
    params: ConsumerPath,
  }
  server.get('/api/v1/consumers/:name/credentials', { schema }, async ({ headers, params }) => {
    await admit(context, headers.authorization, 'credential.read')
    const { query } = context.database
    const { consumerId } = await findConsumer(query, params.name)
    const credentials = await listCredentials(query, consumerId)
    const dated = credentials.map((one) => ({
      ...one,
      createdAt: one.createdAt.toISOString(),
      lastUsedAt: one.lastUsedAt?.toISOString() ?? null,
      retiredAt: one.retiredAt?.toISOString() ?? null,
    }))
    return { credentials: dated }
  })
}

const makeCredentialRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'makeCredential',
      '建立凭证，密钥只显示一次 / Make a credential; a secret is shown once',
      CredentialMade,
      'Two of a kind may live, so that one can be replaced while the other works.',
    ),
    params: ConsumerPath,
    body: CredentialBody,
  }
  server.post('/api/v1/consumers/:name/credentials', { schema }, async ({ headers, params, body }, reply) => {
    const account = await admit(context, headers.authorization, 'credential.change')
    void reply.header('cache-control', 'no-store')
    const { database, keys } = context
    return database.transaction((transaction) =>
      giveCredential({ transaction, keys, actor: actorOf(account) }, params.name, body),
    )
  })
}

const endCredentialRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'endCredential',
      '停用凭证，其令牌即时失效 / Retire a credential at once and for good, with the tokens that came of it',
      CredentialEnded,
    ),
    params: CredentialPath,
  }
  server.delete('/api/v1/consumers/:name/credentials/:fingerprint', { schema }, async ({ headers, params }) => {
    const account = await admit(context, headers.authorization, 'credential.change')
    const ended = await context.database.transaction((transaction) =>
      endCredential({ transaction, actor: actorOf(account) }, params.name, params.fingerprint),
    )
    return { kind: ended, fingerprint: params.fingerprint }
  })
}

/** Consumers and what they prove themselves with, for the roles that answer for them. */
export const consumerRoutes = asPlugin([
  listConsumersRoute,
  addConsumerRoute,
  listCredentialsRoute,
  makeCredentialRoute,
  endCredentialRoute,
])
