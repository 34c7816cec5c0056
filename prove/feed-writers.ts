import { setTimeout as wait } from 'node:timers/promises'
import type { Database } from '../src/store/database.ts'
import { buryRecords, upsertRecords, type RecordOwner } from '../src/store/save-page.ts'
import type { ProtectedRecord } from '../src/record.ts'
import { createRandom, type Random } from './random.ts'

/** Records of one writer: few enough that they change again and again. */
const RECORDS = 60
const PAGE = 20

/** 32 hexadecimal digits that hardly come twice: a change. */
export const someDigest = (random: Random): string => Array.from({ length: 32 }, () => random(16).toString(16)).join('')

/** A record of nobody in particular, as it rests. `digest` is 32 hexadecimal digits; another one is a change. */
export const restingRecord = (recordId: string, digest: string, grid: string): ProtectedRecord =>
  ({
    recordId,
    operation: 'upsert',
    masked: JSON.stringify({ name: '张**', gridCode: grid }),
    sealed: Buffer.alloc(40),
    subject: null,
    digest,
    areaCode: grid,
    isMinor: false,
    updatedAt: null,
  }) as unknown as ProtectedRecord

export interface WrittenCounts {
  commits: number
  rollbacks: number
  /** Transactions that were kept open for a while after others had begun and committed. */
  late: number
}

/**
 * Writes pages until `until` (milliseconds since the epoch): inserts, changes and tombstones, transactions that stay open while others commit, and some
 * that are rolled back.
 */
export async function writePages(
  database: Database,
  owner: RecordOwner,
  { writer, until, seed }: { readonly writer: number; readonly until: number; readonly seed: number },
): Promise<WrittenCounts> {
  const random = createRandom(seed + writer)
  const counts = { commits: 0, rollbacks: 0, late: 0 }
  while (Date.now() < until) {
    const first = random(RECORDS - PAGE)
    const numbers = Array.from({ length: 1 + random(PAGE) }, (_, place) => first + place)
    const digest = someDigest(random)
    const grid = random(2) === 0 ? '510502001001001' : '510503002001001'
    const isLate = random(8) === 0
    const isRolledBack = random(10) === 0
    const work = database.transaction(async ({ query }) => {
      if (random(6) === 0)
        await buryRecords(
          query,
          owner,
          numbers.map((number) => `W${writer}-${number}`),
          0,
        )
      else
        await upsertRecords(
          query,
          owner,
          numbers.map((number) => restingRecord(`W${writer}-${number}`, digest, grid)),
        )
      if (isLate) await wait(20 + random(300))
      if (isRolledBack) throw new Error('rolled back')
    })
    await work.then(
      () => (counts.commits += 1),
      () => (counts.rollbacks += 1),
    )
    if (isLate) counts.late += 1
    await wait(random(40))
  }
  return counts
}
