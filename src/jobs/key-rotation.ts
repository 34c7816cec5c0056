import { setTimeout as wait } from 'node:timers/promises'
import { AppError, toAppError } from '../errors.ts'
import {
  createWrappedKey,
  isWrappedBy,
  nameOfKek,
  rewrapKey,
  type KeyRing,
  type WrappedKey,
} from '../security/key-ring.ts'
import type { Suite } from '../security/suites.ts'
import {
  activateKey,
  activeForMs,
  announceKey,
  destroyKey,
  lockDataKeys,
  nextKeyId,
  readDataKeys,
  replaceWrapping,
  stopWriting,
} from '../store/data-keys.ts'
import type { Database, Transaction } from '../store/database.ts'
import { forgetLostHolders, listSealingBefore, listWithoutKey } from '../store/key-holders.ts'
import { countSealedBy } from '../store/sealed-values.ts'
import { repeat } from './repeat.ts'
import { resealPass, type ResealCounts } from './resealing.ts'

export interface RotationContext {
  readonly database: Database
  readonly keys: KeyRing
  readonly actor: string
  /** For how long a key was sealed with before what it replaces may go, in ms; longer than a request, a page or a statement takes. */
  readonly drainMs?: number
}

const DRAIN_MS = 30_000
const EVERY_MS = 10_000

const isSealKey = ({ purpose }: WrappedKey): boolean => purpose === 'seal'
const isOk = { outcome: 'ok' } as const

/**
 * Makes a new sealing key and announces it. Where a rotation is not over yet, that one goes on and no other key is made. Returns its id.
 */
export async function announceSealingKey(
  { database, actor }: RotationContext,
  next: { readonly keyEncryptionKey: Uint8Array; readonly suite: Suite['name'] },
): Promise<number> {
  return database.transaction(async ({ query, audit }) => {
    const [newest, ...older] = (await lockDataKeys(query)).filter(isSealKey).toReversed()
    if (newest !== undefined && older.length > 0) return newest.id
    const id = await nextKeyId(query)
    await announceKey(query, createWrappedKey(next.keyEncryptionKey, id, 'seal', next.suite))
    await audit({ ...isOk, type: 'key.announced', actor, object: String(id), details: { suite: next.suite } })
    return id
  })
}

/**
 * Wraps every data key under the first of the key-encryption keys, in one transaction. Returns how many were wrapped anew. Throws
 * KEY_UNAVAILABLE where one opens under none of them; nothing is changed then.
 */
export async function rewrapKeys(
  { database, actor }: RotationContext,
  keyEncryptionKeys: readonly Uint8Array[],
  suite: Suite['name'],
): Promise<{ readonly kek: string; readonly rewrapped: number }> {
  const [first] = keyEncryptionKeys
  if (first === undefined) throw new AppError('KEY_UNAVAILABLE', 'there is no key-encryption key')
  const kek = nameOfKek(first)
  return database.transaction(async ({ query, audit }) => {
    const stale = (await lockDataKeys(query)).filter((key) => !isWrappedBy(key, kek, suite))
    const next = { keyEncryptionKey: first, suite }
    await replaceWrapping(
      query,
      stale.map((key) => rewrapKey(key, keyEncryptionKeys, next)),
    )
    if (stale.length > 0)
      await audit({ ...isOk, type: 'key.rewrapped', actor, object: kek, count: stale.length, details: { suite } })
    return { kek, rewrapped: stale.length }
  })
}

/** What a rotation came to in one step; `waitsFor` names processes, or says what else holds it up. */
export interface RotationStep extends ResealCounts {
  readonly state: 'none' | 'announced' | 'sealing' | 'done'
  readonly retired: readonly number[]
  readonly waitsFor: string
}

const nothing = { resealed: 0, broken: 0, complete: true, retired: [], waitsFor: '' } as const

/** Begins to seal with the announced key once every living process has opened it. */
async function activate({ query, audit }: Transaction, id: number, actor: string): Promise<RotationStep | null> {
  await forgetLostHolders(query)
  const without = await listWithoutKey(query, id)
  if (without.length > 0) {
    return { ...nothing, state: 'announced', waitsFor: `${without.join(', ')} to open key ${id}` }
  }
  if (await activateKey(query, id)) await audit({ ...isOk, type: 'key.active', actor, object: String(id) })
  return null
}

/** Destroys an old key. Throws KEY_IN_USE where a value still names it: whoever writes one is waited for, and counted. */
export async function retireKey({ database, actor }: RotationContext, id: number): Promise<void> {
  await database.transaction(async ({ query, audit }) => {
    const newest = (await lockDataKeys(query)).filter(isSealKey).findLast(({ isActive }) => isActive)
    if (newest === undefined || newest.id <= id)
      throw new AppError('KEY_IN_USE', `key ${id} is what is sealed with; rotate first`)
    await stopWriting(query, id)
    const values = (await countSealedBy(query)).get(id) ?? 0
    if (values > 0) throw new AppError('KEY_IN_USE', `${values} values name key ${id}; they are sealed again first`)
    await destroyKey(query, id)
    await audit({ ...isOk, type: 'key.retired', actor, object: String(id), count: 0 })
  })
}

/** Why the old keys cannot go yet; empty: they can. */
async function heldUp({ database: { query }, drainMs = DRAIN_MS }: RotationContext, newest: number): Promise<string> {
  const behind = await listSealingBefore(query, newest)
  if (behind.length > 0) return `${behind.join(', ')} to seal with key ${newest}`
  const left = drainMs - (await activeForMs(query, newest))
  return left > 0 ? `what is under way: ${Math.ceil(left / 1000)} s` : ''
}

/** Destroys the old keys where that can be; else tells what they wait for. */
async function retireOld(context: RotationContext, newest: number, old: readonly number[]): Promise<RotationStep> {
  const waitsFor = await heldUp(context, newest)
  if (waitsFor !== '') return { ...nothing, state: 'sealing', waitsFor }
  try {
    for (const id of old) await retireKey(context, id)
    return { ...nothing, state: 'done', retired: old }
  } catch (error) {
    const { code, detail } = toAppError(error)
    // Written between the count and the wait for its writer: the next step seals it again.
    if (code === 'KEY_IN_USE') return { ...nothing, state: 'sealing', waitsFor: detail }
    throw error
  }
}

function afterPass(counts: ResealCounts): RotationStep {
  const step = { ...counts, state: 'sealing', retired: [] } as const
  if (!counts.complete && counts.resealed === 0) return { ...step, waitsFor: 'another process that seals again' }
  return { ...step, waitsFor: counts.broken > 0 ? `${counts.broken} values that do not open` : '' }
}

/**
 * One step of the rotation that is under way, whatever was done before: it uses the new key when all can open it, seals everything
 * again, and destroys the old keys when nothing names them. Safe in any number of processes, and after any crash.
 */
export async function stepRotation(context: RotationContext, isStopped = (): boolean => false): Promise<RotationStep> {
  const { database, keys, actor } = context
  const [newest, ...older] = (await readDataKeys(database.query)).filter(isSealKey).toReversed()
  if (newest === undefined || older.length === 0) return { ...nothing, state: 'none' }
  if (!newest.isActive) {
    const waiting = await database.transaction((transaction) => activate(transaction, newest.id, actor))
    if (waiting !== null) return waiting
  }
  if (keys.sealing.id !== newest.id)
    return { ...nothing, state: 'sealing', waitsFor: `this process to seal with key ${newest.id}` }
  const old = older.map(({ id }) => id)
  const named = await countSealedBy(database.query)
  if (old.some((id) => named.has(id))) return afterPass(await resealPass(database, keys, old, isStopped))
  return retireOld(context, newest.id, old)
}

/** Carries rotations on until it is stopped, one process at a time. */
export function startKeyRotation(
  context: RotationContext,
  onError: (error: unknown) => void,
  everyMs = EVERY_MS,
): () => Promise<void> {
  const pass = async (isStopped: () => boolean): Promise<void> => {
    while (!isStopped() && (await stepRotation(context, isStopped)).resealed > 0) await wait(1)
  }
  return repeat(pass, { everyMs, onError })
}
