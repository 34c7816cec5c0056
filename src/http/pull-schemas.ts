import { Type } from 'typebox'
import { MOST_PAGE } from '../feeds/agreement-rules.ts'

const Change = Type.Object(
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

export const ChangePage = Type.Object(
  {
    changes: Type.Array(Change, { description: 'In commit order; only the newest version of a record is there' }),
    cursor: Type.String({ description: 'Opaque; give it back to go on from here' }),
    hasMore: Type.Boolean({ description: 'true: ask again at once; false: ask again later with the same cursor' }),
  },
  { title: 'ChangePage' },
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
  { title: 'SnapshotPage' },
)

/** Records of a page where the caller does not say, and the agreement does not say less. */
export const DEFAULT_LIMIT = 500

export const PageQuery = Type.Object({
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
})

/** The datasets by name, as a path parameter. */
export const datasetParams = (datasets: readonly string[]) =>
  Type.Object({ dataset: Type.String({ enum: [...datasets], description: 'Name of the dataset' }) })
