import { hash } from 'node:crypto'
import { toAppError } from '../errors.ts'
import type { Dataset } from '../feeds/datasets.ts'
import { isMinorRecord } from '../feeds/masks.ts'
import type { Fields } from '../record.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { open } from '../security/seal.ts'
import { MERGED_FEED } from '../store/changes.ts'
import type { Database, Query, Transaction } from '../store/database.ts'
import { replaceConflicts } from '../store/person-conflicts.ts'
import { closeDecisions, readOpenDecisions } from '../store/person-links.ts'
import {
  countMerged,
  findPersonCursor,
  findPersonOwner,
  lockPersons,
  moveMembers,
  movePersonCursor,
  readChangedRecords,
  readMemberRecords,
  type ChangedRecord,
  type MemberRecord,
} from '../store/persons.ts'
import { buryRecords, upsertRecords } from '../store/save-page.ts'
import { mergePerson, tellPerson, type MergedPerson, type PersonSource } from './merge-persons.ts'
import { digestRecord, protect, type DigestedRecord, type Protection } from './protect.ts'

export interface PersonMerge {
  readonly database: Database
  readonly datasets: ReadonlyMap<string, Dataset>
  readonly keys: KeyRing
}

/** Records whose persons are merged anew in one transaction. */
const PAGE = 500

/** What is to be merged next, and how to write down that it was. */
interface Due {
  readonly records: readonly ChangedRecord[]
  readonly settle: () => Promise<void>
}

/** The dataset of merged persons and those that tell of persons. */
interface MergedDatasets {
  readonly merged: Dataset
  readonly sources: readonly Dataset[]
}

function findMergedDatasets(datasets: PersonMerge['datasets']): MergedDatasets | null {
  const merged = [...datasets.values()].find((dataset) => dataset.merge !== null)
  const sources = [...datasets.values()].filter((dataset) => dataset.parts !== null)
  return merged === undefined ? null : { merged, sources }
}

/** A digest of everything that decides how a dataset is merged: another one merges it from its beginning. */
function rulesOf(source: Dataset, merged: Dataset): string {
  return hash('sha256', JSON.stringify([source.schema, merged.schema]))
}

/** Reviewers' decisions first, then what changed in the datasets that tell of persons, one dataset at a time. */
async function findDue(query: Query, { merged, sources }: MergedDatasets): Promise<Due | null> {
  const decisions = await readOpenDecisions(query, PAGE)
  if (decisions.length > 0) {
    const records = new Map(decisions.map((record) => [`${record.feed}/${record.recordId}`, record]))
    const ids = decisions.map(({ decisionId }) => decisionId)
    return { records: [...records.values()], settle: () => closeDecisions(query, ids) }
  }
  for (const source of sources) {
    const rules = rulesOf(source, merged)
    const after = await findPersonCursor(query, source.name, rules)
    const { records, upTo } = await readChangedRecords(query, source.name, after, PAGE)
    if (records.length > 0) {
      const linked = records.filter(({ subject }) => subject !== null)
      const settle = async (): Promise<void> => {
        await movePersonCursor(query, source.name, rules, upTo)
        await countMerged(query, linked, upTo)
      }
      return { records, settle }
    }
  }
  return null
}

/**
 * The person a record belongs to. It is a token of the certificate's token, because the record id of a person goes out to
 * consumers, who must not hold what our own tables are linked by.
 */
function personOf({ subject, isParted, feed, recordId }: ChangedRecord, keys: KeyRing): string | null {
  if (subject === null) return null
  return keys.token('subject', isParted ? `person|${subject}|${feed}|${recordId}` : `person|${subject}`)
}

/** All fields of a record in clear, in memory: what the masked view hides is in the sealed part. */
function openFields(record: MemberRecord, keys: KeyRing): Fields {
  const bound = `record|${record.dataset}|${record.feed}|${record.recordId}`
  return { ...record.masked, ...(JSON.parse(open(keys.sealKey, bound, record.sealed)) as Fields) }
}

function readSource(record: MemberRecord, dataset: Dataset, { keys, today }: Protection): PersonSource {
  const fields = openFields(record, keys)
  return {
    feed: record.feed,
    department: record.department,
    recordId: record.recordId,
    updatedAt: record.updatedAt?.getTime() ?? null,
    place: { tx: record.tx, seq: record.seq },
    isMinor: isMinorRecord(dataset, fields, today),
    fields: tellPerson(dataset, fields),
  }
}

/** The strictest profile of any source holds for the person, and is part of the digest: it may come without another value. */
function digestPerson({ record, isMinor }: MergedPerson, protection: Protection): DigestedRecord {
  const digested = digestRecord(record, protection)
  if (!isMinor) return digested
  return { record, digest: protection.keys.token('digest', `minor|${digested.digest}`), isMinor }
}

/** Null for a record whose seal is broken: it must neither speak nor stop the persons beside it. */
function tryReadSource(record: MemberRecord, dataset: Dataset, protection: Protection): PersonSource | null {
  try {
    return readSource(record, dataset, protection)
  } catch (error) {
    if (toAppError(error).code === 'SEAL_BROKEN') return null
    throw error
  }
}

/** What the persons of a page came to. */
interface MergedPage {
  /** Persons that were merged, or have no record left. */
  readonly persons: readonly string[]
  readonly merged: readonly MergedPerson[]
  /** How many persons stay as they are, because a record of theirs was tampered with. */
  readonly unreadable: number
}

async function mergePersons(
  query: Query,
  persons: readonly string[],
  datasets: PersonMerge['datasets'],
  protection: Protection,
): Promise<MergedPage> {
  const sources = (await readMemberRecords(query, persons)).flatMap((record) => {
    const dataset = datasets.get(record.dataset)
    return dataset === undefined ? [] : [{ person: record.person, source: tryReadSource(record, dataset, protection) }]
  })
  const unreadable = new Set(sources.filter(({ source }) => source === null).map(({ person }) => person))
  const readable = sources.flatMap(({ person, source }) =>
    source === null || unreadable.has(person) ? [] : [{ person, source }],
  )
  const merged = [...Map.groupBy(readable, ({ person }) => person)].map(([person, members]) =>
    mergePerson(
      person,
      members.map(({ source }) => source),
      protection.dataset.merge ?? [],
    ),
  )
  return { persons: persons.filter((person) => !unreadable.has(person)), merged, unreadable: unreadable.size }
}

/** Saves the persons as records at the end of their change feed; those without a record left become tombstones. */
async function savePersons(
  { query, audit }: Transaction,
  { persons, merged, unreadable }: MergedPage,
  protection: Protection,
): Promise<void> {
  const owner = await findPersonOwner(query, protection.dataset.name)
  const records = protect(
    merged.map((person) => digestPerson(person, protection)),
    protection,
  )
  const { inserted, updated } = await upsertRecords(query, owner, records)
  const alive = new Set(merged.map(({ record }) => record.recordId))
  const gone = persons.filter((person) => !alive.has(person))
  const deleted = await buryRecords(query, owner, gone, records.length)
  const conflicts = merged.flatMap(({ record, conflicts: found }) =>
    found.map((conflict) => ({ person: record.recordId, ...conflict })),
  )
  await replaceConflicts(query, persons, conflicts)
  if (inserted + updated + deleted + unreadable === 0) return
  await audit({
    type: 'persons.merged',
    actor: 'system:worker',
    outcome: unreadable === 0 ? 'ok' : 'failed',
    feed: MERGED_FEED.code,
    dataset: protection.dataset.name,
    count: persons.length,
    details: { inserted, updated, deleted, conflicts: conflicts.length, unreadable },
  })
}

async function mergePage(transaction: Transaction, context: PersonMerge, found: MergedDatasets): Promise<boolean> {
  const { query } = transaction
  const due = await findDue(query, found)
  if (due === null) return false
  const { keys, datasets } = context
  const protection = { dataset: found.merged, feed: MERGED_FEED.code, keys, today: new Date() }
  const members = due.records.map((record) => ({ record, person: personOf(record, keys) }))
  const persons = await moveMembers(query, members)
  await savePersons(transaction, await mergePersons(query, persons, datasets, protection), protection)
  await due.settle()
  return true
}

/**
 * Merges the persons of the next page of changes: who belongs to whom, the merged records, their conflicts and the cursor in
 * ONE transaction, so a crash repeats the page, and a merge that comes to the same writes nothing. Clear values are opened in
 * memory, because masks do not compose: which mask holds is judged for the merged record, and two names may mask alike.
 * A person with a record that was tampered with stays as it is, and the audit entry says so. `idle`: nothing was due; `busy`:
 * another process merges. Throws KEY_UNAVAILABLE, DATABASE_UNAVAILABLE.
 */
export async function projectPersons(context: PersonMerge): Promise<'more' | 'idle' | 'busy'> {
  const found = findMergedDatasets(context.datasets)
  if (found === null) return 'idle'
  return context.database.transaction(async (transaction) => {
    if (!(await lockPersons(transaction.query))) return 'busy'
    return (await mergePage(transaction, context, found)) ? 'more' : 'idle'
  })
}
