import { Type, type Static } from 'typebox'
import { AppError } from '../errors.ts'
import { registeredDepartments } from '../feeds/departments.ts'
import type { Dataset } from '../feeds/datasets.ts'
import type { Account } from '../store/accounts.ts'
import { findConsumer } from '../store/consumers.ts'
import { findFeed } from '../store/feeds.ts'
import {
  findFreeze,
  freezeScopes,
  isSetByDepartment,
  liftFreeze,
  listFreezes,
  setFreeze,
  type Freeze,
  type FreezeScope,
  type NewFreeze,
} from '../store/freezes.ts'
import { lockIncident, openIncident } from '../store/incidents.ts'
import type { Transaction } from '../store/database.ts'
import { assertPermitted, recogniseAccount } from './accounts.ts'
import { asPlugin, assertImpersonal, describeRoute, type ManagementContext, type Route } from './management.ts'

const textOrNull = (description: string) => Type.Union([Type.Null(), Type.String()], { description })

export const ScopeText = Type.Enum([...freezeScopes], {
  description: 'feed 数据接入, consumer 使用方, dataset 数据资源, department 部门, everything 全部',
})

export const FreezeView = Type.Object(
  {
    freezeId: Type.Integer({ description: 'Number of the freeze' }),
    scope: ScopeText,
    name: textOrNull('Code or name of what is frozen; null for everything'),
    department: textOrNull('Whose it is; null: of the whole city'),
    reason: Type.String({ description: 'Why' }),
    incidentId: Type.Union([Type.Null(), Type.Integer()], { description: 'Number of the incident that it belongs to' }),
    frozenBy: Type.String({ description: 'Account that froze' }),
    frozenAt: Type.String({ format: 'date-time', description: 'Since when' }),
    liftedBy: textOrNull('Account that lifted it; null: it is in force'),
    liftedAt: textOrNull('When it was lifted'),
    liftReason: textOrNull('Why it was lifted'),
  },
  { title: 'Freeze' },
)

const FreezeList = Type.Object(
  { freezes: Type.Array(FreezeView, { description: 'Those in force first, then the newest' }) },
  { title: 'FreezeList' },
)

const FreezeBody = Type.Object(
  {
    scope: ScopeText,
    name: Type.Optional(
      Type.String({ minLength: 1, maxLength: 60, description: 'What is frozen; left out for everything' }),
    ),
    reason: Type.String({ minLength: 1, maxLength: 200, description: 'Why, without naming a person 原因' }),
    incident: Type.Optional(
      Type.Union([Type.Literal('new'), Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })], {
        description: 'Number of the incident that it belongs to; "new" opens one',
      }),
    ),
  },
  { title: 'NewFreeze', additionalProperties: false },
)

const LiftBody = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: 200, description: 'Why, without naming a person 原因' }) },
  { title: 'FreezeLift', additionalProperties: false },
)

const FreezeNumber = Type.Object({
  freezeId: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'Number of the freeze' }),
})

export const viewFreeze = (freeze: Freeze): Static<typeof FreezeView> => ({
  ...freeze,
  frozenAt: freeze.frozenAt.toISOString(),
  liftedAt: freeze.liftedAt?.toISOString() ?? null,
})

/** What a scope is about, and which merged datasets are made of it. */
type Target = Pick<NewFreeze, 'name' | 'department' | 'derived'>

const mergedOf = (datasets: ReadonlyMap<string, Dataset>): readonly string[] =>
  [...datasets.values()].filter(({ merge }) => merge !== null).map(({ name }) => name)

/** A merged dataset is made of every dataset that tells of its person. */
function derivedFrom(datasets: ReadonlyMap<string, Dataset>, name: string): readonly string[] {
  return datasets.get(name)?.parts == null ? [] : mergedOf(datasets)
}

/** How each scope finds what it is about. Throws FEED_UNKNOWN, CONSUMER_UNKNOWN, REQUEST_INVALID. */
const targets: Readonly<Record<FreezeScope, (context: ManagementContext, name: string) => Promise<Target>>> = {
  feed: async ({ database, datasets }, name) => {
    const { department, dataset } = await findFeed(database.query, name)
    return { name, department, derived: derivedFrom(datasets, dataset) }
  },
  consumer: async ({ database }, name) => {
    await findConsumer(database.query, name)
    return { name, department: null, derived: [] }
  },
  dataset: async ({ datasets }, name) => {
    if (!datasets.has(name)) throw new AppError('REQUEST_INVALID', 'body/name: there is no such dataset')
    return { name, department: null, derived: derivedFrom(datasets, name) }
  },
  department: async ({ datasets }, name) => {
    if (!registeredDepartments().has(name)) throw new AppError('REQUEST_INVALID', 'body/name: no such department')
    return { name, department: name, derived: mergedOf(datasets) }
  },
  everything: () => Promise.resolve({ name: null, department: null, derived: [] }),
}

/** Throws REQUEST_INVALID where a name is wanted or not wanted. */
function assertNamed(scope: FreezeScope, name: string | undefined): void {
  if ((scope === 'everything') === (name === undefined)) return
  throw new AppError('REQUEST_INVALID', 'body/name: wanted, but for everything')
}

type WantedIncident = Static<typeof FreezeBody>['incident']

/** The incident that a freeze belongs to: none, one that is open, or a new one that is known since now. */
async function incidentFor(
  transaction: Transaction,
  wanted: WantedIncident,
  freeze: Pick<NewFreeze, 'scope' | 'name' | 'reason'>,
  account: Account,
): Promise<number | null> {
  if (wanted === undefined) return null
  if (wanted !== 'new') return (await lockIncident(transaction.query, wanted)).incidentId
  const { scope, name, reason: title } = freeze
  const now = new Date()
  const incident = { title, level: 'ordinary', scope, name, knownAt: now, beganAt: now } as const
  return openIncident(transaction, incident, account)
}

const setRoute: Route = (server, context) => {
  const { database } = context
  const schema = {
    ...describeRoute(
      'setFreeze',
      '应急冻结 / Freeze a feed, a consumer, a dataset, a department or everything, at once and in every process',
      FreezeView,
      'When this is answered nothing of it is answered, sent, shown or taken in any more: 503 FROZEN. Nothing is lost; work goes on when a second person lifts it.',
    ),
    body: FreezeBody,
  }
  server.post('/api/v1/freezes', { schema }, async ({ headers, body }) => {
    const { scope, name, reason, incident } = body
    const account = await recogniseAccount(context, headers.authorization)
    assertImpersonal('reason', reason)
    assertNamed(scope, name)
    const target = await targets[scope](context, name ?? '')
    await assertPermitted(context, account, 'freeze.set', target.department)
    if (typeof incident === 'number') await assertPermitted(context, account, 'incident.manage', null)
    const freezeId = await database.transaction(async (transaction) => {
      const incidentId = await incidentFor(transaction, incident, { ...target, scope, reason }, account)
      return setFreeze(transaction, { ...target, scope, reason, incidentId }, account)
    })
    return viewFreeze(await findFreeze(database.query, freezeId))
  })
}

const listRoute: Route = (server, context) => {
  const summary = '冻结清单 / Freezes that concern the own department, or all'
  const schema = describeRoute('listFreezes', summary, FreezeList)
  server.get('/api/v1/freezes', { schema }, async ({ headers }) => {
    const account = await recogniseAccount(context, headers.authorization)
    await assertPermitted(context, account, 'freeze.read', account.department)
    return { freezes: (await listFreezes(context.database.query, account.department)).map(viewFreeze) }
  })
}

const liftRoute: Route = (server, context) => {
  const { database } = context
  const schema = {
    ...describeRoute(
      'liftFreeze',
      '解除冻结 / Lift a freeze that another person set',
      FreezeView,
      'What a reviewer froze another reviewer of the department may lift, what the security administrator froze only another of them.',
    ),
    params: FreezeNumber,
    body: LiftBody,
  }
  server.post('/api/v1/freezes/:freezeId/lift', { schema }, async ({ headers, params, body }) => {
    const account = await recogniseAccount(context, headers.authorization)
    const { freezeId, department } = await findFreeze(database.query, params.freezeId)
    // What was frozen for the whole city is nothing of one department's own.
    const owner = (await isSetByDepartment(database.query, freezeId)) ? department : null
    await assertPermitted(context, account, 'freeze.lift', owner)
    assertImpersonal('reason', body.reason)
    await database.transaction((transaction) => liftFreeze(transaction, freezeId, account, body.reason))
    return viewFreeze(await findFreeze(database.query, freezeId))
  })
}

/** One action that stops what has to stop, and its end by a second person. */
export const freezeRoutes = asPlugin([setRoute, listRoute, liftRoute])
