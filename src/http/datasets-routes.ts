import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import type { Dataset, Property } from '../feeds/datasets.ts'
import { registeredDepartments } from '../feeds/departments.ts'
import { addQualityCounts, scoreQuality, type QualityCounts } from '../feeds/quality-scores.ts'
import { filledFrom, sharingOf } from '../feeds/sharing-type.ts'
import { listCatalogue } from '../store/feed-versions.ts'
import { readQualityCounts } from '../store/quality-counts.ts'
import { admit } from './accounts.ts'
import { recogniseClient, type ClientContext } from './clients.ts'
import { DatasetList, DatasetSearch, DatasetView } from './dataset-schemas.ts'
import { asPlugin, describeRoute, type ManagementContext, type Route } from './management.ts'

type CatalogueFeed = Awaited<ReturnType<typeof listCatalogue>>[number]

/** What is known of all datasets beside their schemas. */
interface Knowledge {
  readonly datasets: ReadonlyMap<string, Dataset>
  readonly feeds: readonly CatalogueFeed[]
  readonly counts: ReadonlyMap<string, QualityCounts>
}

/** Lets an account whose role may, and every consumer. Throws TOKEN_INVALID, FORBIDDEN. */
async function admitReader(context: ClientContext, request: FastifyRequest): Promise<void> {
  try {
    await admit(context, request.headers.authorization, 'catalogue.read')
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'TOKEN_INVALID') throw error
    await recogniseClient(context, request)
  }
}

async function readKnowledge({ database, datasets }: ManagementContext): Promise<Knowledge> {
  const [feeds, counts] = [await listCatalogue(database.query), await readQualityCounts(database.query)]
  return { datasets, feeds, counts }
}

const viewDepartment = (department: string) => {
  const { name, nameEn } = registeredDepartments().get(department) ?? { name: department, nameEn: department }
  return { department, name, nameEn }
}

function viewFacts(dataset: Dataset, { datasets, feeds, counts }: Knowledge) {
  const sources = filledFrom(dataset, datasets)
  const filling = feeds.filter((feed) => sources.includes(feed.dataset))
  const sharing = sharingOf(filling.flatMap(({ catalogue }) => (catalogue === null ? [] : [catalogue])))
  const providers = [...new Set(filling.map(({ manifest }) => manifest.feed.department))].toSorted()
  const counted = sources.flatMap((name) => counts.get(name) ?? [])
  return {
    dataset: dataset.name,
    title: dataset.title,
    titleEn: dataset.titleEn,
    version: dataset.version,
    lead: viewDepartment(dataset.lead),
    providers: providers.map(viewDepartment),
    sharing: { ...sharing, conditions: [...sharing.conditions], methods: [...sharing.methods] },
    quality: scoreQuality(addQualityCounts(counted)),
  }
}

function viewCodes({ codes }: Property) {
  if (codes === null) return null
  const { name, title, titleEn, edition, source } = codes
  return { name, title, titleEn, edition, source, labels: Object.fromEntries(codes.codes) }
}

const viewField = (property: Property) => ({
  name: property.name,
  title: property.title,
  titleEn: property.titleEn,
  type: property.type,
  format: property.format,
  required: property.required,
  class: property.class,
  level: property.level,
  mask: property.mask,
  defaultForm: property.mask === 'SUPPRESS' ? ('omit' as const) : ('mask' as const),
  values: property.values === null ? null : [...property.values],
  codes: viewCodes(property),
})

const plain = (text: string): string => text.normalize('NFKC').toLowerCase()

/** Whether every word is somewhere in what people call the dataset, its fields and its departments. */
function isFound(dataset: Dataset, { lead, providers }: ReturnType<typeof viewFacts>, text: string): boolean {
  const departments = [lead, ...providers].flatMap(({ department, name, nameEn }) => [department, name, nameEn])
  const fields = dataset.properties.flatMap(({ name, title, titleEn }) => [name, title, titleEn])
  const said = plain([dataset.name, dataset.title, dataset.titleEn, ...fields, ...departments].join('\n'))
  return plain(text)
    .split(/\s+/)
    .every((word) => said.includes(word))
}

const listDatasetsRoute: Route = (server, context) => {
  server.get(
    '/api/v1/datasets',
    {
      schema: {
        ...describeRoute(
          'listDatasets',
          '数据资源目录检索 / Search the catalogue of datasets',
          DatasetList,
          'For every account and every consumer.',
        ),
        querystring: DatasetSearch,
      },
    },
    async (request) => {
      await admitReader(context, request)
      const knowledge = await readKnowledge(context)
      const { text = '' } = request.query
      const found = [...context.datasets.values()]
        .map((dataset) => ({ dataset, facts: viewFacts(dataset, knowledge) }))
        .filter(({ dataset, facts }) => isFound(dataset, facts, text))
      return { datasets: found.map(({ dataset, facts }) => ({ ...facts, fields: dataset.properties.length })) }
    },
  )
}

const showDatasetRoute: Route = (server, context) => {
  const params = Type.Object({
    dataset: Type.String({ enum: [...context.datasets.keys()].toSorted(), description: 'Name of the dataset' }),
  })
  server.get(
    '/api/v1/datasets/:dataset',
    {
      schema: {
        ...describeRoute(
          'showDataset',
          '数据资源详情 / Fields, classes, levels, code lists, sharing and quality of a dataset',
          DatasetView,
          'For every account and every consumer.',
        ),
        params,
      },
    },
    async (request) => {
      await admitReader(context, request)
      const dataset = context.datasets.get(request.params.dataset)
      if (dataset === undefined) throw new AppError('REQUEST_INVALID', 'params/dataset')
      return { ...viewFacts(dataset, await readKnowledge(context)), fields: dataset.properties.map(viewField) }
    },
  )
}

/** What there is to apply for: the catalogue as consumers see it. */
export const datasetsRoutes = asPlugin([listDatasetsRoute, showDatasetRoute])
