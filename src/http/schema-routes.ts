import { AppError } from '../errors.ts'
import type { Dataset } from '../feeds/datasets.ts'
import {
  compareSchemas,
  judgeManifest,
  withProposedSchema,
  type PropertyChange,
  type PropertyChangeKind,
} from '../feeds/schema-impact.ts'
import { listGrants } from '../store/agreements.ts'
import { listManifestsOf } from '../store/feed-versions.ts'
import { countHolding } from '../store/records.ts'
import { admit } from './accounts.ts'
import { DatasetName, SchemaImpactView, SchemaProposal } from './impact-schemas.ts'
import { asPlugin, describeRoute, type ManagementContext, type Route } from './management.ts'

const BODY_BYTES = 262_144

function currentDataset(name: string, datasets: ReadonlyMap<string, Dataset>): Dataset {
  const dataset = datasets.get(name)
  if (dataset !== undefined) return dataset
  throw new AppError('REQUEST_INVALID', `there is no dataset ${name}; choose from ${[...datasets.keys()].join(', ')}`)
}

type Holding = Awaited<ReturnType<typeof countHolding>>

/** How many records hold each changed property; nobody can tell of one that the masked view suppresses. */
function viewProperties(changes: readonly PropertyChange[], before: Dataset, holding: Holding) {
  const shown = new Set(before.properties.filter(({ mask }) => mask !== 'SUPPRESS').map(({ name }) => name))
  const sum = (name: string): number =>
    [...holding.values()].reduce((total, feed) => total + (feed.holding[name] ?? 0), 0)
  return changes.map(({ name, changes: kinds }) => {
    const isAdded = kinds.includes('added')
    return { name, changes: [...kinds], records: isAdded ? 0 : shown.has(name) ? sum(name) : null }
  })
}

async function viewFeeds(
  { database }: ManagementContext,
  name: string,
  changes: readonly PropertyChange[],
  proposed: ReadonlyMap<string, Dataset>,
  holding: Holding,
) {
  const versions = await listManifestsOf(database.query, name)
  const judged = versions.map(({ code, department, version, state, manifest }) => {
    const { dropped, retyped, required, unmapped, faults } = judgeManifest(manifest, changes, proposed)
    const records = holding.get(code)?.records ?? 0
    const lists = { dropped: [...dropped], retyped: [...retyped], required: [...required], unmapped: [...unmapped] }
    return { code, department, version, state, records, ...lists, faults: [...faults] }
  })
  return judged.filter(
    ({ dropped, retyped, required, unmapped, faults }) =>
      dropped.length + retyped.length + required.length + unmapped.length + faults.length > 0,
  )
}

async function viewConsumers({ database }: ManagementContext, name: string, changes: readonly PropertyChange[]) {
  const grants = await listGrants(database.query, name)
  const views = grants.map(({ consumer, agreement, purpose, fields }) => {
    const granted = (kind: PropertyChangeKind): string[] =>
      changes
        .filter((change) => change.changes.includes(kind) && fields.includes(change.name))
        .map((change) => change.name)
    return {
      consumer,
      agreement,
      purpose,
      dropped: granted('dropped'),
      retyped: granted('retyped'),
      reclassified: granted('reclassified'),
      remasked: granted('remasked'),
    }
  })
  return views.filter(
    ({ dropped, retyped, reclassified, remasked }) =>
      dropped.length + retyped.length + reclassified.length + remasked.length > 0,
  )
}

async function viewSchemaImpact(context: ManagementContext, name: string, schema: Readonly<Record<string, unknown>>) {
  const before = currentDataset(name, context.datasets)
  const proposed = await withProposedSchema(name, schema, context.datasets)
  const after = currentDataset(name, proposed)
  const changes = compareSchemas(before, after)
  const known = new Set(before.names)
  const counted = changes.map((change) => change.name).filter((property) => known.has(property))
  const holding = await countHolding(context.database.query, name, counted)
  return {
    dataset: name,
    from: before.version,
    to: after.version,
    records: [...holding.values()].reduce((total, { records }) => total + records, 0),
    changed: viewProperties(changes, before, holding),
    feeds: await viewFeeds(context, name, changes, proposed, holding),
    consumers: await viewConsumers(context, name, changes),
  }
}

const judgeSchemaRoute: Route = (server, context) => {
  server.post(
    '/api/v1/datasets/:dataset/impact',
    {
      bodyLimit: BODY_BYTES,
      schema: {
        ...describeRoute(
          'judgeSchema',
          '模式变更影响 / What a new version of a dataset schema means for feeds, agreements and records',
          SchemaImpactView,
          'Changes nothing. The schema is checked as at the start of the product, and every manifest of the dataset against it. Records rest as they were read until their source brings them again.',
        ),
        params: DatasetName,
        body: SchemaProposal,
      },
    },
    async (request) => {
      await admit(context, request.headers.authorization, 'schema.read')
      return viewSchemaImpact(context, request.params.dataset, request.body.schema)
    },
  )
}

/** Dataset schemas: what a change of one would mean. */
export const schemaRoutes = asPlugin([judgeSchemaRoute])
