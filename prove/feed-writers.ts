import { setTimeout as wait } from 'node:timers/promises'
import { protect, type Protection } from '../src/ingest/protect.ts'
import { joinRecord } from '../src/ingest/validate.ts'
import type { Dataset } from '../src/feeds/datasets.ts'
import type { KeyRing } from '../src/security/key-ring.ts'
import { MERGED_FEED } from '../src/store/changes.ts'
import type { Database, Query } from '../src/store/database.ts'
import { findPersonOwner } from '../src/store/persons.ts'
import { buryRecords, upsertRecords, type RecordOwner } from '../src/store/save-page.ts'
import { createRandom, type Random } from './random.ts'

/** Records of one writer: few enough that they change again and again. */
const RECORDS = 60
const PAGE = 20
const GRIDS = ['510502001001001', '510503002001001'] as const

/** Whose records are written, and what protects them. */
export interface Written {
  readonly owner: RecordOwner
  readonly protection: Protection
}

export const WRITTEN_DATASET = 'resident'

/** What the writers of a proof write into: residents of a feed that has no manifest. */
export async function openWritten(stage: {
  readonly database: Database
  readonly keys: KeyRing
  readonly datasets: ReadonlyMap<string, Dataset>
}): Promise<Written> {
  const dataset = stage.datasets.get(WRITTEN_DATASET)
  if (dataset === undefined) throw new Error(`there is no dataset ${WRITTEN_DATASET}`)
  const { datasetId } = await findPersonOwner(stage.database.query, dataset.name)
  return {
    owner: { feedId: MERGED_FEED.feedId, datasetId },
    protection: { dataset, feed: MERGED_FEED.code, keys: stage.keys, today: new Date() },
  }
}

/** Saves new versions of these records of nobody in particular: each digest is one that never came before. */
export async function changeRecords(query: Query, to: Written, ids: readonly string[], random: Random): Promise<void> {
  const gridCode = GRIDS[random(2)] ?? ''
  const digested = ids.map((id) => ({
    record: joinRecord(id, { name: '张测试', gridCode }),
    digest: Array.from({ length: 32 }, () => random(16).toString(16)).join(''),
  }))
  await upsertRecords(query, to.owner, protect(digested, to.protection))
}

export interface WrittenCounts {
  commits: number
  rollbacks: number
  /** Transactions that were kept open for a while after others had begun and committed. */
  late: number
}

/** Which writer it is, and until when it writes, in milliseconds since the epoch. */
export interface WriterTask {
  readonly writer: number
  readonly until: number
  readonly seed: number
}

/** One page: changes or tombstones of some of the writer's records, committed late or rolled back at times. */
async function writePage(
  database: Database,
  to: Written,
  writer: number,
  random: Random,
): Promise<{ readonly isLate: boolean }> {
  const first = random(RECORDS - PAGE)
  const ids = Array.from({ length: 1 + random(PAGE) }, (_, place) => `W${writer}-${first + place}`)
  const [isLate, isRolledBack] = [random(8) === 0, random(10) === 0]
  await database.transaction(async ({ query }) => {
    if (random(6) === 0) await buryRecords(query, to.owner, ids, 0)
    else await changeRecords(query, to, ids, random)
    if (isLate) await wait(20 + random(300))
    if (isRolledBack) throw new Error('rolled back')
  })
  return { isLate }
}

/** Writes page after page: transactions that stay open while others commit, and some that are rolled back. */
export async function writePages(
  database: Database,
  to: Written,
  { writer, until, seed }: WriterTask,
): Promise<WrittenCounts> {
  const random = createRandom(seed + writer)
  const counts = { commits: 0, rollbacks: 0, late: 0 }
  while (Date.now() < until) {
    try {
      const { isLate } = await writePage(database, to, writer, random)
      counts.commits += 1
      if (isLate) counts.late += 1
    } catch {
      counts.rollbacks += 1
    }
    await wait(random(40))
  }
  return counts
}
