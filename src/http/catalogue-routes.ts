import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import { toCoreMetadata } from '../feeds/core-metadata.ts'
import type { Dataset } from '../feeds/datasets.ts'
import { registeredDepartments } from '../feeds/departments.ts'
import { dropRefusal, listCoverage, refuseSharing, type Coverage } from '../store/coverage.ts'
import { listCatalogue } from '../store/feed-versions.ts'
import { actorOf, admit } from './accounts.ts'
import { DEPARTMENT } from './feed-schemas.ts'
import { asPlugin, assertImpersonal, describeRoute, type Route } from './management.ts'

const Catalogue = Type.Object(
  {
    entries: Type.Array(
      Type.Record(Type.String(), Type.Unknown(), { description: 'One information resource, 核心元数据' }),
      { description: 'One entry for each live feed, under the names of the national core metadata' },
    ),
    withoutEntry: Type.Array(Type.String(), {
      description: 'Codes of live feeds that an operator registered at the command line, without a catalogue entry',
    }),
  },
  { title: 'Catalogue' },
)

const coverageStates = ['connected', 'pending', 'refused', 'missing'] as const

const CoverageView = Type.Object(
  {
    cells: Type.Array(
      Type.Object({
        department: Type.String({ description: 'Folder name of the department' }),
        name: Type.String({ description: 'Department in Chinese' }),
        nameEn: Type.String({ description: 'Department in English' }),
        dataset: Type.String({ description: 'Dataset' }),
        state: Type.String({
          enum: [...coverageStates],
          description:
            'connected: a feed is active; pending: one is being prepared or is suspended; refused; missing: nothing yet',
        }),
        reason: Type.Union([Type.String(), Type.Null()], { description: 'Why the department refuses' }),
      }),
      { description: 'Every dataset that a department offers by default, and whatever else it feeds or refuses' },
    ),
    totals: Type.Record(Type.String(), Type.Integer(), { description: 'How many cells are in each state' }),
  },
  { title: 'Coverage' },
)

const DatasetOfDepartment = Type.Object({
  department: Type.String({ pattern: DEPARTMENT, maxLength: 60, description: 'Folder name of the department' }),
  dataset: Type.String({ pattern: '^[a-z]+(-[a-z]+)*$', maxLength: 40, description: 'Dataset' }),
})

const Refusal = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: 1000, description: 'Why, with the law it rests on' }) },
  { additionalProperties: false, title: 'SharingRefusal' },
)

const Done = Type.Object(
  { refused: Type.Boolean({ description: 'Whether the department refuses the dataset now' }) },
  { title: 'SharingRefused' },
)

function stateOf({ active, pending, refusal }: Coverage): (typeof coverageStates)[number] {
  if (active > 0) return 'connected'
  if (refusal !== null) return 'refused'
  return pending > 0 ? 'pending' : 'missing'
}

const keyOf = ({ department, dataset }: Pick<Coverage, 'department' | 'dataset'>): string => `${department}/${dataset}`

/** What is known, and a cell for everything that a department offers by default and of which nothing is known. */
function completeCoverage(known: readonly Coverage[], datasets: ReadonlyMap<string, Dataset>): readonly Coverage[] {
  const keys = new Set(known.map(keyOf))
  const offered = [...registeredDepartments().values()].flatMap(({ folder, datasets: names }) =>
    names
      .filter((name) => datasets.has(name))
      .map((dataset) => ({ department: folder, dataset, active: 0, pending: 0, refusal: null })),
  )
  return [...known, ...offered.filter((cell) => !keys.has(keyOf(cell)))].toSorted((one, other) =>
    keyOf(one) < keyOf(other) ? -1 : 1,
  )
}

function viewCoverage(known: readonly Coverage[], datasets: ReadonlyMap<string, Dataset>) {
  const departments = registeredDepartments()
  const cells = completeCoverage(known, datasets).map((cell) => ({
    department: cell.department,
    name: departments.get(cell.department)?.name ?? cell.department,
    nameEn: departments.get(cell.department)?.nameEn ?? cell.department,
    dataset: cell.dataset,
    state: stateOf(cell),
    reason: cell.refusal,
  }))
  const totals = Object.fromEntries(
    coverageStates.map((state) => [state, cells.filter((cell) => cell.state === state).length]),
  )
  return { cells, totals }
}

const exportCatalogueRoute: Route = (server, context) => {
  const { database, datasets } = context
  server.get(
    '/api/v1/catalogue',
    {
      schema: describeRoute(
        'exportCatalogue',
        '导出资源目录（核心元数据） / The catalogue in the national core metadata',
        Catalogue,
      ),
    },
    async (request) => {
      await admit(context, request.headers.authorization, 'catalogue.read')
      const feeds = await listCatalogue(database.query)
      const entries = feeds.flatMap(({ catalogue, manifest, dataset: name }) => {
        const dataset = datasets.get(name)
        return catalogue === null || dataset === undefined ? [] : [toCoreMetadata(catalogue, manifest, dataset)]
      })
      const withoutEntry = feeds.filter(({ catalogue }) => catalogue === null).map(({ code }) => code)
      return { entries, withoutEntry }
    },
  )
}

const showCoverageRoute: Route = (server, context) => {
  const { database, datasets } = context
  server.get(
    '/api/v1/coverage',
    {
      schema: describeRoute(
        'showCoverage',
        '接入覆盖情况 / Departments and datasets: connected, pending, refused',
        CoverageView,
      ),
    },
    async (request) => {
      await admit(context, request.headers.authorization, 'coverage.read')
      return viewCoverage(await listCoverage(database.query), datasets)
    },
  )
}

const refuseSharingRoute: Route = (server, context) => {
  const { database } = context
  server.put(
    '/api/v1/coverage/:department/:dataset/refusal',
    {
      schema: {
        ...describeRoute('refuseSharing', '说明理由不予共享 / A department refuses a dataset, with its reason', Done),
        params: DatasetOfDepartment,
        body: Refusal,
      },
    },
    async (request) => {
      const { department, dataset } = request.params
      const account = await admit(context, request.headers.authorization, 'coverage.refuse', department)
      const { reason } = request.body
      assertImpersonal('reason', reason)
      if (reason.trim() === '') throw new AppError('REQUEST_INVALID', 'body/reason wanted')
      await database.transaction(async ({ query, audit }) => {
        await refuseSharing(query, { department, dataset, reason, refusedBy: account.accountId })
        const object = `department/${department}`
        await audit({ type: 'sharing.refused', actor: actorOf(account), outcome: 'ok', dataset, object })
      })
      return { refused: true }
    },
  )
}

const reconsiderSharingRoute: Route = (server, context) => {
  const { database } = context
  server.delete(
    '/api/v1/coverage/:department/:dataset/refusal',
    {
      schema: {
        ...describeRoute('reconsiderSharing', '撤回不予共享 / A department takes its refusal back', Done),
        params: DatasetOfDepartment,
      },
    },
    async (request) => {
      const { department, dataset } = request.params
      const account = await admit(context, request.headers.authorization, 'coverage.refuse', department)
      await database.transaction(async ({ query, audit }) => {
        if (!(await dropRefusal(query, department, dataset))) return
        const object = `department/${department}`
        await audit({ type: 'sharing.reconsidered', actor: actorOf(account), outcome: 'ok', dataset, object })
      })
      return { refused: false }
    },
  )
}

/** The catalogue for the city's exchange platform, and how far the departments are connected (Luzhou Art. 22). */
export const catalogueRoutes = asPlugin([
  exportCatalogueRoute,
  showCoverageRoute,
  refuseSharingRoute,
  reconsiderSharingRoute,
])
