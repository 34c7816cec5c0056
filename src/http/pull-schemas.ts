import { Type } from 'typebox'
import { MOST_PAGE } from '../feeds/agreement-rules.ts'
import { consumerSecurity } from './clients.ts'
import { problemAnswers } from './problem-schema.ts'

export const Change = Type.Object(
  {
    operation: Type.String({ enum: ['upsert', 'delete'], description: 'delete is a tombstone: forget the record' }),
    id: Type.String({ description: 'Identity of the record: feed code and source record id' }),
    version: Type.Integer({
      minimum: 1,
      description: 'Apply a change only when its version is newer than the one you hold',
    }),
    changedAt: Type.String({ format: 'date-time', description: 'When this version came about here' }),
    record: Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()], {
      description: 'The fields that the agreement grants, in their granted forms; null in a tombstone',
    }),
    reason: Type.Optional(
      Type.String({
        enum: ['recall', 'erasure'],
        description:
          'On a delete that the department asked for 召回、删除: remove it everywhere, and see /api/v1/recalls',
      }),
    ),
  },
  { title: 'Change' },
)

const changedAt = '2026-11-24T18:03:21.114Z'
const record = { gridCode: '510502001001001', gridName: '大山坪一网格' }
const upsert = { operation: 'upsert', id: 'LZ-MZ-WG-001/WG-0001', version: 3, changedAt, record }
const tombstone = { operation: 'delete', id: 'LZ-MZ-WG-001/WG-0002', version: 2, changedAt, record: null }

export const ChangePage = Type.Object(
  {
    changes: Type.Array(Change, { description: 'In commit order; only the newest version of a record is there' }),
    cursor: Type.String({ description: 'Opaque; give it back to go on from here' }),
    hasMore: Type.Boolean({ description: 'true: ask again at once; false: ask again later with the same cursor' }),
  },
  { title: 'ChangePage', examples: [{ changes: [upsert, tombstone], cursor: 'Mi4xLjczMS4xMg', hasMore: false }] },
)

export const SnapshotPage = Type.Object(
  {
    changes: Type.Array(Change, { description: 'Living records, each once; no tombstones' }),
    cursor: Type.String({ description: 'Opaque; give it back to go on from here' }),
    hasMore: Type.Boolean({ description: 'true: ask again at once; false: this was the last page' }),
    feedCursor: Type.Optional(
      Type.String({ description: 'On the last page: the cursor with which the change feed takes over' }),
    ),
  },
  {
    title: 'SnapshotPage',
    examples: [{ changes: [upsert], cursor: 'Mi4xLjczMS4xMg', hasMore: false, feedCursor: 'Mi4xLjczMS4w' }],
  },
)

/** A word that is not in the description is refused, not ignored. */
export const CLOSED = { additionalProperties: false } as const

/** Records of a page where the caller does not say, and the agreement does not say less. */
export const DEFAULT_LIMIT = 500

export const PageQuery = Type.Object(
  {
    cursor: Type.Optional(
      Type.String({ maxLength: 200, description: 'From an earlier answer; none means from the beginning' }),
    ),
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MOST_PAGE,
        default: DEFAULT_LIMIT,
        description: 'Changes in one page at most; an agreement may say less',
      }),
    ),
  },
  CLOSED,
)

/** The datasets by name, as a path parameter. */
export const datasetParams = (datasets: readonly string[]) =>
  Type.Object({ dataset: Type.String({ enum: [...datasets], description: 'Name of the dataset' }) })

/** Where the caller names an answer that it holds. */
export const HeldTags = Type.Object({
  'if-none-match': Type.Optional(
    Type.String({
      maxLength: 2000,
      description: 'Entity tags of earlier answers; 304 where one of them is this answer',
    }),
  ),
})

/** The description of a route for consumers: its name, what it does in both languages, and more of it. */
export const describeSharing = (operationId: string, summary: string, description: string) => ({
  operationId,
  tags: ['sharing'],
  summary,
  description,
  security: consumerSecurity,
})

export const jsonAnswer = <Schema>(description: string, schema: Schema) => ({
  200: { description, content: { 'application/json': { schema } } },
})

/** What every answer under an agreement can be, beside its own. */
export const grantedAnswers = {
  304: Type.Null({ description: '内容未变 / You hold this answer already' }),
  ...problemAnswers,
} as const
