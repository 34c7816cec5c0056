import type { Database } from '../store/database.ts'
import {
  copySearchRows,
  countWaiting,
  lockIndex,
  mergeBlocks,
  resetIndex,
  writePostings,
} from '../store/person-index.ts'
import { repeat } from './repeat.ts'

const EVERY_MS = 2000
/** Fewer would make blocks of a handful of postings each; a look-up reads what waits as well. */
const DUE_PERSONS = 200_000
const DUE_MANIFESTS = 50_000
const DUE_SECONDS = 86_400
/** Of one transaction: about a second. */
const BATCH_PERSONS = 400_000
const BATCH_MANIFESTS = 20_000
const BATCH_ROWS = 5000
const SMALL_BLOCKS = 64

const isDue = async ({ query }: Database): Promise<boolean> => {
  const { manifests, persons, seconds } = await countWaiting(query)
  return persons >= DUE_PERSONS || manifests >= DUE_MANIFESTS || seconds >= DUE_SECONDS
}

/** Writes blocks of what waits, as much as one transaction should; returns how many manifests. None while another process does. */
async function writeBlocks(database: Database): Promise<number> {
  return database.transaction(async ({ query }) => {
    if (!(await lockIndex(query))) return 0
    const written = await writePostings(query, BATCH_MANIFESTS, BATCH_PERSONS)
    if (written > 0) await mergeBlocks(query, SMALL_BLOCKS)
    return written
  })
}

/** Writes blocks until nothing waits that has its place in the tree. */
export async function indexPersons(database: Database, isStopped = (): boolean => false): Promise<void> {
  while (!isStopped() && (await writeBlocks(database)) > 0) continue
}

/** Brings what the log is searched by up to the tree. */
export async function indexEntries(database: Database, isStopped = (): boolean => false): Promise<void> {
  const copy = () =>
    database.transaction(async ({ query }) => ((await lockIndex(query)) ? copySearchRows(query, BATCH_ROWS) : 0))
  while (!isStopped() && (await copy()) === BATCH_ROWS) continue
}

/** Makes the index of persons anew from the manifests. What is asked meanwhile is answered by reading those that wait. */
export async function rebuildIndex(database: Database): Promise<void> {
  await database.transaction(async ({ query }) => {
    // Waits for whoever writes it now.
    while (!(await lockIndex(query))) await query('select pg_sleep(0.1)')
    await resetIndex(query)
  })
  await indexPersons(database)
}

/** Fills the indexes behind the log until it is stopped. It may run in several processes: the database lets one write at a time. */
export function startAuditIndex(database: Database, onError: (error: unknown) => void): () => Promise<void> {
  const pass = async (isStopped: () => boolean): Promise<void> => {
    await indexEntries(database, isStopped)
    if (await isDue(database)) await indexPersons(database, isStopped)
  }
  return repeat(pass, { everyMs: EVERY_MS, onError })
}
