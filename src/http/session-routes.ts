import { Type } from 'typebox'
import { MOST_PASSWORD } from '../security/password-rules.ts'
import { roles } from '../security/permissions.ts'
import { endSessions, findSession } from '../store/sessions.ts'
import { actorOf, recogniseAccount } from './accounts.ts'
import { readTokenHash } from './clients.ts'
import { enrol } from './enrolment.ts'
import { asPlugin, describeRoute, type Route } from './management.ts'
import { clearSessionCookie, setSessionCookie } from './session-cookie.ts'
import { changePassword, signIn } from './sign-in.ts'

const name = Type.String({ pattern: '^[a-z][a-z0-9-]{1,39}$', description: 'Name of the account' })
const password = Type.String({ minLength: 1, maxLength: 4 * MOST_PASSWORD, description: '口令 / Password' })
const code = Type.String({ pattern: '^[0-9]{6}$', description: '动态码 / Code of the authenticator application' })
const moment = (description: string) => Type.String({ format: 'date-time', description })
const momentOrNull = (description: string) =>
  Type.Union([Type.Null(), Type.String({ format: 'date-time' })], { description })

const SignInBody = Type.Object(
  {
    name,
    password,
    code,
    cookie: Type.Optional(
      Type.Boolean({
        description: 'true: the session comes as a cookie that no script can read, and not in the answer',
      }),
    ),
  },
  { additionalProperties: false, title: 'SignIn' },
)
const sessionFacts = {
  expiresAt: moment('When it ends in any case'),
  idleSeconds: Type.Integer({ description: 'It ends after so many seconds without a request' }),
}
const OpenedSession = Type.Object(
  {
    token: Type.Union([Type.String(), Type.Null()], {
      description: 'Send it as Authorization: Bearer …; null where it came as a cookie',
    }),
    ...sessionFacts,
    passwordExpiresAt: momentOrNull('When the password has to be changed; null: never'),
    lastSignIn: Type.Object(
      {
        at: momentOrNull('When this account signed in before; null: never'),
        failures: Type.Integer({ description: 'Attempts that failed since then' }),
      },
      { description: '上次登录 / Not you? Tell the security administrator' },
    ),
  },
  { title: 'OpenedSession' },
)
const SessionView = Type.Object(
  {
    name: Type.String({ description: 'Name of the account' }),
    role: Type.String({ enum: [...roles], description: 'Its role' }),
    ...sessionFacts,
  },
  { title: 'Session' },
)
const Ended = Type.Object({ name: Type.String({ description: 'Name of the account' }) }, { title: 'EndedSession' })
const EnrolmentBody = Type.Object(
  {
    name,
    enrolmentCode: Type.String({
      minLength: 10,
      maxLength: 80,
      description: '注册码 / Both halves, joined by a point',
    }),
    password,
  },
  { additionalProperties: false, title: 'Enrolment' },
)
const SecondFactorView = Type.Object(
  {
    secret: Type.String({ description: 'For the authenticator application, in Base32; shown once' }),
    uri: Type.String({ description: 'The same as an otpauth address, for a QR code' }),
  },
  { title: 'SecondFactor' },
)
const PasswordBody = Type.Object(
  { name, password, code, newPassword: password },
  { additionalProperties: false, title: 'PasswordChange' },
)
const PasswordChanged = Type.Object(
  { name: Type.String({ description: 'Name of the account' }) },
  { title: 'PasswordChanged' },
)

/** For those who are not in yet. */
const open = { security: [{ token: [] }, {}] }
const secondsUntil = (end: Date): number => Math.max(0, Math.floor((end.getTime() - Date.now()) / 1000))

const openSessionRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'openSession',
      '登录 / Sign in with password and code',
      OpenedSession,
      'A session that the account had ends. Unknown names, wrong passwords and wrong codes are answered alike; attempts that fail make the next one wait.',
    ),
    ...open,
    body: SignInBody,
  }
  server.post('/api/v1/session', { schema }, async ({ body, ip: address }, reply) => {
    const { token, expiresAt, lastSignIn, passwordExpiresAt, ...session } = await signIn(context, { ...body, address })
    if (body.cookie === true) setSessionCookie(reply, token, secondsUntil(expiresAt))
    void reply.header('cache-control', 'no-store')
    return {
      ...session,
      token: body.cookie === true ? null : token,
      expiresAt: expiresAt.toISOString(),
      passwordExpiresAt: passwordExpiresAt?.toISOString() ?? null,
      lastSignIn: { ...lastSignIn, at: lastSignIn.at?.toISOString() ?? null },
    }
  })
}

const showSessionRoute: Route = (server, context) => {
  const { database, keys } = context
  const schema = describeRoute('showSession', '当前会话 / The session behind the token', SessionView)
  server.get('/api/v1/session', { schema }, async ({ headers }, reply) => {
    await recogniseAccount(context, headers.authorization)
    const found = await findSession(database.query, readTokenHash(keys, headers.authorization))
    const { account, expiresAt, idleSeconds } = found
    void reply.header('cache-control', 'no-store')
    return { name: account.name, role: account.role, expiresAt: expiresAt.toISOString(), idleSeconds }
  })
}

const endSessionRoute: Route = (server, context) => {
  const schema = describeRoute('endSession', '退出 / Sign out', Ended)
  server.delete('/api/v1/session', { schema }, async ({ headers }, reply) => {
    const account = await recogniseAccount(context, headers.authorization)
    await context.database.transaction(async ({ query, audit }) => {
      await endSessions(query, account.accountId)
      await audit({ type: 'session.ended', actor: actorOf(account), outcome: 'ok' })
    })
    clearSessionCookie(reply)
    return { name: account.name }
  })
}

const enrolRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'enrol',
      '首次注册：设置口令与第二因素 / Set password and second factor by an enrolment code',
      SecondFactorView,
      'The code is good once and for 72 hours. Whoever lost password or second factor gets a new one from two administrators.',
    ),
    ...open,
    body: EnrolmentBody,
  }
  server.post('/api/v1/enrolment', { schema }, async ({ body, ip: address }, reply) => {
    void reply.header('cache-control', 'no-store')
    return enrol(context, { ...body, address })
  })
}

const changePasswordRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'changePassword',
      '修改口令 / Change the password, also one that has run out',
      PasswordChanged,
      'Asks for both factors and for no session; the session of the account ends.',
    ),
    ...open,
    body: PasswordBody,
  }
  server.post('/api/v1/password', { schema }, async ({ body, ip: address }) => {
    await changePassword(context, { ...body, address }, body.newPassword)
    return { name: body.name }
  })
}

/** How people come in and go. */
export const sessionRoutes = asPlugin([
  openSessionRoute,
  showSessionRoute,
  endSessionRoute,
  enrolRoute,
  changePasswordRoute,
])
