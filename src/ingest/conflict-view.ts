import type { Dataset } from '../feeds/datasets.ts'
import type { Query } from '../store/database.ts'
import { listConflicts, readMaskedRecords, type PersonConflict, type RecordName } from '../store/person-conflicts.ts'
import { tellPerson } from './merge-persons.ts'

/** A record of a conflict as one viewer may see it. */
export interface ViewedRecord {
  readonly feed: string
  readonly department: string
  /** Null where the record belongs to another department than the viewer's. */
  readonly recordId: string | null
  /** What the record says, as its masked view shows it; null where it is suppressed, or not the viewer's to see. */
  readonly value: string | null
}

export interface ViewedConflict extends Omit<PersonConflict, 'sides'> {
  readonly foundAt: Date
  /** Records that agree are one side; the first side was believed. */
  readonly sides: readonly (readonly ViewedRecord[])[]
}

export interface ConflictRequest {
  /** The viewer's department: of its own records it sees the masked values, of others only that there is one. */
  readonly viewer: string | null
  /** Only conflicts that this department is a party to; null: all. */
  readonly department: string | null
  readonly after: Pick<PersonConflict, 'person' | 'field'> | null
  readonly limit: number
}

type Datasets = ReadonlyMap<string, Dataset>

const keyOf = ({ feed, recordId }: Pick<RecordName, 'feed' | 'recordId'>): string => `${feed}/${recordId}`

/** What each of the records says of its person, masked, by record. */
async function readValues(
  query: Query,
  datasets: Datasets,
  records: readonly RecordName[],
): Promise<ReadonlyMap<string, Readonly<Record<string, unknown>>>> {
  const rows = records.length === 0 ? [] : await readMaskedRecords(query, records)
  return new Map(
    rows.flatMap((row) => {
      const dataset = datasets.get(row.dataset)
      return dataset === undefined ? [] : [[keyOf(row), tellPerson(dataset, row.masked)] as const]
    }),
  )
}

/**
 * Conflicts in the order of person and field, as one viewer may see them. A record id and a masked value are rows of a
 * department, so only that department sees them; who has no department sees none.
 */
export async function viewConflicts(
  query: Query,
  datasets: Datasets,
  { viewer, department, after, limit }: ConflictRequest,
): Promise<readonly ViewedConflict[]> {
  const conflicts = await listConflicts(query, { department, after, limit })
  const isOwn = (record: RecordName): boolean => record.department === viewer
  const own = conflicts.flatMap(({ sides }) => sides.flat().filter(isOwn))
  const values = await readValues(query, datasets, own)
  const view = (record: RecordName, field: string): ViewedRecord => {
    const value = isOwn(record) ? values.get(keyOf(record))?.[field] : undefined
    return {
      feed: record.feed,
      department: record.department,
      recordId: isOwn(record) ? record.recordId : null,
      value: typeof value === 'string' ? value : null,
    }
  }
  return conflicts.map((conflict) => ({
    ...conflict,
    sides: conflict.sides.map((side) => side.map((record) => view(record, conflict.field))),
  }))
}
