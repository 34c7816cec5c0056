import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import { registeredDepartments } from '../feeds/departments.ts'
import { isDate } from '../feeds/formats.ts'
import { FORBIDDEN_MATTERS } from '../feeds/legal-basis.ts'
import { isEndpointAddress, type Endpoint } from '../security/endpoints.ts'
import { insertEndpoint, listEndpoints, withdrawEndpoint } from '../store/endpoints.ts'
import {
  listServiceItems,
  publishServiceItem,
  withdrawServiceItem,
  type NewServiceItem,
} from '../store/service-items.ts'
import { actorOf, admit, assertPermitted, recogniseAccount } from './accounts.ts'
import { asPlugin, assertImpersonal, describeRoute, type Route } from './management.ts'

const endpointFacts = {
  department: Type.String({ maxLength: 60, description: 'Department whose feeds may read from here' }),
  scheme: Type.String({
    pattern: '^[a-z][a-z0-9]{1,19}$',
    description: 'https, http, postgresql, mysql, sftp, ftps …; file for a folder of the machine',
  }),
  address: Type.String({
    minLength: 1,
    maxLength: 253,
    description: 'An address, a CIDR range, a host name; for file an absolute folder',
  }),
  firstPort: Type.Integer({ minimum: 0, maximum: 65_535, description: 'First port; 0 for file' }),
  lastPort: Type.Integer({ minimum: 0, maximum: 65_535, description: 'Last port' }),
}

const EndpointBody = Type.Object(endpointFacts, { additionalProperties: false, title: 'NewEndpoint' })
const EndpointView = Type.Object(
  { endpointId: Type.Integer({ description: 'Number of the registration' }), ...endpointFacts },
  { title: 'Endpoint' },
)
const EndpointList = Type.Object(
  { endpoints: Type.Array(EndpointView, { description: 'Registered and not withdrawn' }) },
  { title: 'EndpointList' },
)
const EndpointPath = Type.Object({
  endpointId: Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Number of the registration' }),
})

const itemFacts = {
  name: Type.String({ minLength: 1, maxLength: 200, description: '事项名称' }),
  county: Type.String({ pattern: '^[0-9]{6}$', description: 'Six-digit code of the county that published it' }),
  approvalNo: Type.String({ minLength: 1, maxLength: 100, description: '批准文号' }),
  validFrom: Type.String({ maxLength: 10, description: 'yyyy-MM-dd' }),
  // Null comes first: the server coerces types, and would else read null as an empty text.
  validTo: Type.Union([Type.Null(), Type.String({ maxLength: 10 })], {
    description: 'yyyy-MM-dd, the first day on which it holds no more; null while that is open',
  }),
}
const ItemCode = Type.Object({
  code: Type.String({ pattern: '^[A-Z0-9]+(-[A-Z0-9]+){0,5}$', maxLength: 40, description: 'Code of the item' }),
})
const ItemBody = Type.Object(itemFacts, { additionalProperties: false, title: 'NewServiceItem' })
const ItemView = Type.Object(
  {
    code: Type.String({ description: 'Code of the item' }),
    ...itemFacts,
    withdrawn: Type.Union([Type.Null(), Type.String()], {
      description: 'Why it was taken from the list; null while it is on it',
    }),
  },
  { title: 'ServiceItem' },
)
const WithdrawnView = Type.Object(
  { code: Type.String({ description: 'Code of the item' }) },
  { title: 'WithdrawnItem' },
)
const WithdrawBody = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: 500, description: '退出原因 / Why it leaves the list' }) },
  { additionalProperties: false, title: 'ItemWithdrawal' },
)
const ItemList = Type.Object({ items: Type.Array(ItemView, { description: 'By code' }) }, { title: 'ServiceItemList' })

function checkEndpoint({ department, scheme, address, firstPort, lastPort }: Omit<Endpoint, 'endpointId'>): void {
  if (!registeredDepartments().has(department))
    throw new AppError('REQUEST_INVALID', 'body/department is not registered')
  if (!isEndpointAddress(scheme, address))
    throw new AppError(
      'REQUEST_INVALID',
      'body/address: wanted an address, a CIDR range or a host name; a folder for file',
    )
  if (firstPort > lastPort) throw new AppError('REQUEST_INVALID', 'body/lastPort is below body/firstPort')
}

function checkItem({ name, validFrom, validTo }: NewServiceItem): void {
  if (FORBIDDEN_MATTERS.test(name))
    throw new AppError(
      'REQUEST_INVALID',
      'body/name: licensing, punishment and coercion may not be on the list (Art. 15)',
    )
  if (!isDate(validFrom) || (validTo !== null && (!isDate(validTo) || validTo <= validFrom)))
    throw new AppError('REQUEST_INVALID', 'body/validFrom, body/validTo: wanted days, the second after the first')
}

const listEndpointsRoute: Route = (server, context) => {
  const { database } = context
  server.get(
    '/api/v1/endpoints',
    {
      schema: describeRoute(
        'listEndpoints',
        '登记地址列表 / Registered addresses of the own department, or of all',
        EndpointList,
      ),
    },
    async (request) => {
      const account = await recogniseAccount(context, request.headers.authorization)
      await assertPermitted(context, account, 'endpoint.read', account.department)
      return { endpoints: [...(await listEndpoints(database.query, account.department))] }
    },
  )
}

const approveEndpointRoute: Route = (server, context) => {
  const { database } = context
  server.post(
    '/api/v1/endpoints',
    {
      schema: {
        ...describeRoute(
          'approveEndpoint',
          '登记部门数源地址 / Register an address for the feeds of a department',
          EndpointView,
        ),
        body: EndpointBody,
      },
    },
    async (request) => {
      const account = await admit(context, request.headers.authorization, 'endpoint.approve')
      checkEndpoint(request.body)
      return database.transaction(async ({ query, audit }) => {
        const endpoint = await insertEndpoint(query, request.body, account.accountId)
        const { department, scheme, address, firstPort, lastPort } = endpoint
        await audit({
          type: 'endpoint.approved',
          actor: actorOf(account),
          outcome: 'ok',
          object: `endpoint/${endpoint.endpointId}`,
          details: { department, scheme, address, firstPort, lastPort },
        })
        return endpoint
      })
    },
  )
}

const withdrawEndpointRoute: Route = (server, context) => {
  const { database } = context
  server.delete(
    '/api/v1/endpoints/:endpointId',
    {
      schema: {
        ...describeRoute('withdrawEndpoint', '撤销登记地址 / Withdraw a registered address', EndpointView),
        params: EndpointPath,
      },
    },
    async (request) => {
      const account = await admit(context, request.headers.authorization, 'endpoint.approve')
      return database.transaction(async ({ query, audit }) => {
        const endpoint = await withdrawEndpoint(query, request.params.endpointId)
        const object = `endpoint/${endpoint.endpointId}`
        await audit({ type: 'endpoint.withdrawn', actor: actorOf(account), outcome: 'ok', object })
        return endpoint
      })
    },
  )
}

const listServiceItemsRoute: Route = (server, context) => {
  const { database } = context
  server.get(
    '/api/v1/service-items',
    { schema: describeRoute('listServiceItems', '服务事项清单 / Items of the published service list', ItemList) },
    async (request) => {
      await admit(context, request.headers.authorization, 'service-item.read')
      return { items: [...(await listServiceItems(database.query))] }
    },
  )
}

const publishServiceItemRoute: Route = (server, context) => {
  const { database } = context
  server.put(
    '/api/v1/service-items/:code',
    {
      schema: {
        ...describeRoute(
          'publishServiceItem',
          '发布服务事项 / Publish an item of the service list, or its new term',
          ItemView,
        ),
        params: ItemCode,
        body: ItemBody,
      },
    },
    async (request) => {
      const account = await admit(context, request.headers.authorization, 'service-item.publish')
      const item = { ...request.body, code: request.params.code }
      checkItem(item)
      await database.transaction(async ({ query, audit }) => {
        await publishServiceItem(query, item, account.accountId)
        const object = `service-item/${item.code}`
        await audit({ type: 'service-item.published', actor: actorOf(account), outcome: 'ok', object })
      })
      return { ...item, withdrawn: null }
    },
  )
}

const withdrawServiceItemRoute: Route = (server, context) => {
  const { database } = context
  server.post(
    '/api/v1/service-items/:code/withdraw',
    {
      schema: {
        ...describeRoute(
          'withdrawServiceItem',
          '服务事项退出清单 / Take an item from the service list',
          WithdrawnView,
          'Agreements that cite it let nothing leave from this moment on, and are shown as suspended within seconds.',
        ),
        params: ItemCode,
        body: WithdrawBody,
      },
    },
    async (request) => {
      const account = await admit(context, request.headers.authorization, 'service-item.publish')
      const { code } = request.params
      assertImpersonal('reason', request.body.reason)
      await database.transaction(async ({ query, audit }) => {
        await withdrawServiceItem(query, code, request.body.reason)
        await audit({
          type: 'service-item.withdrawn',
          actor: actorOf(account),
          outcome: 'ok',
          object: `service-item/${code}`,
        })
      })
      return { code }
    },
  )
}

/** What feeds stand on: registered addresses and the published service items. */
export const groundRoutes = asPlugin([
  listEndpointsRoute,
  approveEndpointRoute,
  withdrawEndpointRoute,
  listServiceItemsRoute,
  publishServiceItemRoute,
  withdrawServiceItemRoute,
])
