import { Type, type Static } from 'typebox'
import { AppError } from '../errors.ts'
import { registeredDepartments } from '../feeds/departments.ts'
import { boundTo, roles, type Role } from '../security/permissions.ts'
import { personOf } from '../security/staff-number.ts'
import {
  approveRequest,
  endAccount,
  handOf,
  refuseRequest,
  requestAccount,
  requestEnrolment,
  requestRole,
} from '../store/account-grants.ts'
import { listRequests, requestKinds } from '../store/account-requests.ts'
import { listAccounts, type Grant } from '../store/accounts.ts'
import { actorOf, admit } from './accounts.ts'
import { asPlugin, assertImpersonal, describeRoute, type Route } from './management.ts'

const name = Type.String({ pattern: '^[a-z][a-z0-9-]{1,39}$', description: 'Name of the account' })
const moment = (description: string) => Type.String({ format: 'date-time', description })
const orNull = (description: string) => Type.Union([Type.Null(), Type.String({ maxLength: 60 })], { description })
const momentOrNull = (description: string) =>
  Type.Union([Type.Null(), Type.String({ format: 'date-time' })], { description })

const grantFacts = {
  role: Type.Unsafe<Role>(Type.String({ enum: [...roles], description: '角色 / The one role' })),
  department: Type.Optional(orNull('For the roles of a department')),
  consumer: Type.Optional(orNull('For the engineers of a consumer')),
}
const AccountBody = Type.Object(
  {
    name,
    staffNumber: Type.String({
      minLength: 2,
      maxLength: 60,
      description: '工号 / Staff number; only a keyed token is kept',
    }),
    ...grantFacts,
  },
  { additionalProperties: false, title: 'NewAccount' },
)
const RoleBody = Type.Object(grantFacts, { additionalProperties: false, title: 'RoleChange' })
const EnrolmentRequestBody = Type.Object({}, { additionalProperties: false, title: 'EnrolmentRequest' })
const AccountName = Type.Object({ name })

const granted = {
  role: Type.String({ enum: [...roles], description: 'Role' }),
  department: orNull('Department; null for a role that is not of one'),
  consumer: orNull('Consumer; null for a role that is not of one'),
}
const ListedAccount = Type.Object(
  {
    name: Type.String({ description: 'Name of the account' }),
    ...granted,
    active: Type.Boolean({ description: 'false: it ended' }),
    enrolled: Type.Boolean({ description: 'Whether password and second factor are set' }),
    createdAt: moment('When it was made'),
    lastSignInAt: momentOrNull('When it signed in last; null: never'),
  },
  { title: 'ListedAccount' },
)
const AccountList = Type.Object(
  { accounts: Type.Array(ListedAccount, { description: 'By name' }) },
  { title: 'AccountList' },
)
const AskedView = Type.Object(
  {
    requestId: Type.Integer({ description: 'Number of the request' }),
    firstHalf: orNull('First half of the enrolment code, shown once: give it to the person; null for a change of role'),
  },
  { title: 'AskedAccountRequest' },
)
const RequestView = Type.Object(
  {
    requestId: Type.Integer({ description: 'Number of the request' }),
    kind: Type.String({ enum: [...requestKinds], description: 'What it is for' }),
    name: Type.String({ description: 'Name of the account' }),
    ...granted,
    state: Type.String({ enum: ['waiting', 'approved', 'refused'], description: 'State' }),
    requestedBy: Type.String({ description: 'Who asked' }),
    requestedAt: moment('When'),
    decidedBy: orNull('Who decided; null while it waits'),
    decidedAt: momentOrNull('When; null while it waits'),
    reason: orNull('Why it was refused'),
  },
  { title: 'AccountRequest' },
)
const RequestList = Type.Object(
  { requests: Type.Array(RequestView, { description: 'The newest first, 500 at most' }) },
  { title: 'AccountRequestList' },
)
const RequestPath = Type.Object({
  requestId: Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Number of the request' }),
})
const DecisionBody = Type.Object(
  {
    action: Type.Unsafe<'approve' | 'refuse'>(Type.String({ enum: ['approve', 'refuse'], description: 'Decision' })),
    reason: Type.Optional(Type.String({ minLength: 1, maxLength: 500, description: '驳回理由 / Why it is refused' })),
  },
  { additionalProperties: false, title: 'AccountDecision' },
)
const DecisionView = Type.Object(
  {
    name: Type.String({ description: 'Name of the account' }),
    secondHalf: orNull(
      'Second half of the enrolment code, shown once: give it to the person; null where there is none',
    ),
  },
  { title: 'AccountDecided' },
)
const EndedView = Type.Object({ name: Type.String({ description: 'Name of the account' }) }, { title: 'EndedAccount' })

/** What the role is bound to, as it has to be given. Throws REQUEST_INVALID. */
function grantOf({ role, department = null, consumer = null }: Static<typeof RoleBody>): Grant {
  const bound = boundTo[role]
  if (bound === 'department' ? !registeredDepartments().has(department ?? '') : department !== null)
    throw new AppError('REQUEST_INVALID', `body/department does not fit ${role}`)
  if ((bound === 'consumer') !== (consumer !== null))
    throw new AppError('REQUEST_INVALID', `body/consumer does not fit ${role}`)
  return { role, department, consumer }
}

const listAccountsRoute: Route = (server, context) => {
  const schema = describeRoute('listAccounts', '账号列表 / The accounts, also those that ended', AccountList)
  server.get('/api/v1/accounts', { schema }, async ({ headers }) => {
    await admit(context, headers.authorization, 'account.read')
    const accounts = await listAccounts(context.database.query)
    return {
      accounts: accounts.map((one) => ({
        ...one,
        createdAt: one.createdAt.toISOString(),
        lastSignInAt: one.lastSignInAt?.toISOString() ?? null,
      })),
    }
  })
}

const requestAccountRoute: Route = (server, context) => {
  const { database, keys } = context
  const summary = '申请建立账号 / Ask for an account; an administrator of the other kind decides'
  const schema = { ...describeRoute('requestAccount', summary, AskedView), body: AccountBody }
  server.post('/api/v1/accounts', { schema }, async ({ headers, body }) => {
    const account = await admit(context, headers.authorization, 'account.request')
    const wanted = { ...grantOf(body), name: body.name, person: personOf(keys, body.staffNumber) }
    return database.transaction((transaction) => requestAccount(transaction, keys, handOf(account), wanted))
  })
}

const requestRoleRoute: Route = (server, context) => {
  const { database, keys } = context
  const summary = '申请变更角色 / Ask for another role of an account; its session ends when it is agreed to'
  const schema = { ...describeRoute('requestRole', summary, AskedView), params: AccountName, body: RoleBody }
  server.post('/api/v1/accounts/:name/role', { schema }, async ({ headers, params, body }) => {
    const account = await admit(context, headers.authorization, 'account.request')
    const wanted = { ...grantOf(body), name: params.name }
    return database.transaction((transaction) => requestRole(transaction, keys, handOf(account), wanted))
  })
}

const requestEnrolmentRoute: Route = (server, context) => {
  const { database, keys } = context
  const summary = '申请重新注册 / Ask that somebody who lost password or second factor may enrol anew'
  const described = describeRoute('requestEnrolment', summary, AskedView)
  const schema = { ...described, params: AccountName, body: EnrolmentRequestBody }
  server.post('/api/v1/accounts/:name/enrolment', { schema }, async ({ headers, params }) => {
    const account = await admit(context, headers.authorization, 'account.request')
    return database.transaction((transaction) => requestEnrolment(transaction, keys, handOf(account), params.name))
  })
}

const endAccountRoute: Route = (server, context) => {
  const summary = '停用账号 / End an account and its session at once'
  const schema = { ...describeRoute('endAccount', summary, EndedView), params: AccountName }
  server.delete('/api/v1/accounts/:name', { schema }, async ({ headers, params }) => {
    const account = await admit(context, headers.authorization, 'account.end')
    await context.database.transaction((transaction) => endAccount(transaction, actorOf(account), params.name))
    return { name: params.name }
  })
}

const listRequestsRoute: Route = (server, context) => {
  const schema = describeRoute('listAccountRequests', '账号申请列表 / What was asked for, and who decided', RequestList)
  server.get('/api/v1/account-requests', { schema }, async ({ headers }) => {
    await admit(context, headers.authorization, 'account.read')
    const requests = await listRequests(context.database.query)
    return {
      requests: requests.map((one) => ({
        ...one,
        requestedAt: one.requestedAt.toISOString(),
        decidedAt: one.decidedAt?.toISOString() ?? null,
      })),
    }
  })
}

const decideRoute: Route = (server, context) => {
  const { database, keys } = context
  const summary = '办理账号申请 / Agree to a request or refuse it, as its second person'
  const described = describeRoute('decideAccountRequest', summary, DecisionView)
  const schema = { ...described, params: RequestPath, body: DecisionBody }
  server.post('/api/v1/account-requests/:requestId/decision', { schema }, async ({ headers, params, body }) => {
    const account = await admit(context, headers.authorization, 'account.decide')
    const { requestId } = params
    if (body.action === 'approve')
      return database.transaction((transaction) => approveRequest(transaction, keys, requestId, account))
    const { reason = null } = body
    if (reason === null) throw new AppError('REQUEST_INVALID', 'body/reason: a refusal needs one')
    assertImpersonal('reason', reason)
    const refused = await database.transaction((transaction) => refuseRequest(transaction, requestId, account, reason))
    return { name: refused, secondHalf: null }
  })
}

/** Who has which account, and what two administrators grant. */
export const accountsRoutes = asPlugin([
  listAccountsRoute,
  requestAccountRoute,
  requestRoleRoute,
  requestEnrolmentRoute,
  endAccountRoute,
  listRequestsRoute,
  decideRoute,
])
