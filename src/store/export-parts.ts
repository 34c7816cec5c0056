import { AppError } from '../errors.ts'
import type { Query } from './database.ts'

/** One file of an export: NDJSON, compressed by gzip. */
export interface ExportPart {
  readonly number: number
  readonly records: number
  /** Of the compressed file. */
  readonly bytes: number
  /** SHA-256 of the compressed file, in hexadecimal. */
  readonly digest: string
}

/** One file as it rests. */
export interface StoredPart extends ExportPart {
  readonly sealed: Buffer
  /** How the audit log names the persons in it: 16 bytes each. */
  readonly subjects: Buffer
}

export async function insertPart(query: Query, exportId: number, part: StoredPart): Promise<void> {
  await query(
    `insert into export_part (export_id, number, records, bytes, digest, sealed, subjects) values ($1, $2, $3, $4, $5, $6, $7)`,
    [exportId, part.number, part.records, part.bytes, part.digest, part.sealed, part.subjects],
  )
}

export async function listParts(query: Query, exportId: number): Promise<readonly ExportPart[]> {
  return query<ExportPart>(
    'select number, records, bytes, digest from export_part where export_id = $1 order by number',
    [exportId],
  )
}

/** Throws EXPORT_UNKNOWN. */
export async function findPart(query: Query, exportId: number, number: number): Promise<StoredPart> {
  const [part] = await query<StoredPart>(
    'select number, records, bytes, digest, sealed, subjects from export_part where export_id = $1 and number = $2',
    [exportId, number],
  )
  if (part === undefined) throw new AppError('EXPORT_UNKNOWN', `part ${number} of export ${exportId}`)
  return part
}

/** Records that were read and wait until the classes of the whole export are counted. */
export interface ExportDraft {
  readonly number: number
  readonly sealed: Uint8Array
  /** 16 bytes for each record: its class, or zeros where it names no person. */
  readonly classes: Uint8Array
}

export async function insertDraft(query: Query, exportId: number, draft: ExportDraft): Promise<void> {
  await query('insert into export_draft (export_id, number, sealed, classes) values ($1, $2, $3, $4)', [
    exportId,
    draft.number,
    draft.sealed,
    draft.classes,
  ])
}

/** The first draft that is left; null: there is none. */
export async function findDraft(query: Query, exportId: number): Promise<ExportDraft | null> {
  const [draft] = await query<ExportDraft>(
    'select number, sealed, classes from export_draft where export_id = $1 order by number limit 1',
    [exportId],
  )
  return draft ?? null
}

export async function deleteDraft(query: Query, exportId: number, number: number): Promise<void> {
  await query('delete from export_draft where export_id = $1 and number = $2', [exportId, number])
}

/** What is of no use once an export is over; the classes go as soon as they have been judged by. */
const leftovers = [
  { table: 'export_part', key: 'number', states: ['expired', 'cancelled', 'refused', 'failed'] },
  { table: 'export_draft', key: 'number', states: ['expired', 'cancelled', 'refused', 'failed'] },
  { table: 'export_class', key: 'class', states: ['ready', 'expired', 'cancelled', 'refused', 'failed'] },
] as const

/** Removes at most `most` rows of each kind that ended exports left. Returns how many. */
export async function removeLeftovers(query: Query, most: number): Promise<number> {
  let removed = 0
  for (const { table, key, states } of leftovers) {
    const rows = await query(
      `delete from ${table} where (export_id, ${key}) in (
         select export_id, ${key} from ${table} join export using (export_id) where export.state = any($1) limit $2)
       returning 1`,
      [states, most],
    )
    removed += rows.length
  }
  return removed
}
