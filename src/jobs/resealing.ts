import { setTimeout as wait } from 'node:timers/promises'
import type { KeyRing } from '../security/key-ring.ts'
import { reseal } from '../security/reseal.ts'
import type { Database, Query } from '../store/database.ts'
import { takeTurn } from '../store/key-holders.ts'
import {
  countBlocks,
  lockSealedBy,
  replaceSealed,
  sealedPlaces,
  type SealedPlace,
  type SealedValue,
} from '../store/sealed-values.ts'

/** What a pass did; `broken` are values that do not open and that stay as they are. */
export interface ResealCounts {
  readonly resealed: number
  readonly broken: number
  /** Whether everything was looked at. */
  readonly complete: boolean
}

/** Of the time that it works, as long again is left to the others: the old key is in no hurry. */
const PAUSE_SHARE = 1

type WindowCounts = Pick<ResealCounts, 'resealed' | 'broken'>

interface Window {
  readonly place: SealedPlace
  readonly block: number
}

async function resealWindow(
  query: Query,
  keys: KeyRing,
  { place, block }: Window,
  old: readonly number[],
): Promise<WindowCounts> {
  const values = await lockSealedBy(query, place, block, old)
  const fresh = values.map((value) => ({ ...value, fresh: reseal(keys, value.bound, value.sealed) }))
  const whole = fresh.filter((value): value is SealedValue & { fresh: Buffer } => value.fresh !== null)
  const resealed = whole.length === 0 ? 0 : await replaceSealed(query, place, whole)
  return { resealed, broken: values.length - whole.length }
}

/** Null where another process has the turn. */
async function takeWindow(
  database: Database,
  keys: KeyRing,
  window: Window,
  old: readonly number[],
): Promise<WindowCounts | null> {
  return database.transaction(async ({ query }) =>
    (await takeTurn(query)) ? resealWindow(query, keys, window, old) : null,
  )
}

/**
 * Looks once at everything that rests sealed, and seals again what old keys sealed, some hundred values in a transaction. A crash leaves
 * some done and the others as they were. Rows that others hold meanwhile are left for the next pass, and so is everything where another
 * process is at it.
 */
export async function resealPass(
  database: Database,
  keys: KeyRing,
  old: readonly number[],
  isStopped: () => boolean,
): Promise<ResealCounts> {
  const total = { resealed: 0, broken: 0 }
  for (const place of sealedPlaces) {
    const blocks = await countBlocks(database.query, place)
    for (let block = 0; block < blocks && !isStopped(); block += place.blocks) {
      const began = performance.now()
      const done = await takeWindow(database, keys, { place, block }, old)
      if (done === null) return { ...total, complete: false }
      total.resealed += done.resealed
      total.broken += done.broken
      if (done.resealed > 0) await wait(PAUSE_SHARE * (performance.now() - began))
    }
  }
  return { ...total, complete: !isStopped() }
}
