import { setTimeout as wait } from 'node:timers/promises'
import { operator, within, type Place } from './commands.ts'
import { announceSealingKey, rewrapKeys, stepRotation, type RotationStep } from './jobs/key-rotation.ts'
import type { Installation } from './installation.ts'
import { listKeyFacts, type KeyFacts } from './store/data-keys.ts'
import { countSealedBy } from './store/sealed-values.ts'

const DAY_MS = 86_400_000
const LOOK_AGAIN_MS = 500

/** A key as `keys list` tells it. Never its bytes. */
export interface ListedKey extends Pick<KeyFacts, 'id' | 'purpose' | 'suite' | 'kek'> {
  readonly state: 'announced' | 'sealing' | 'opening' | 'token' | 'retired'
  readonly ageDays: number
  /** Values that are sealed with it; null for a key that makes tokens, which name no key. */
  readonly values: number | null
}

function stateOf(key: KeyFacts, sealing: number | undefined): ListedKey['state'] {
  if (key.retiredAt !== null) return 'retired'
  if (key.purpose !== 'seal') return 'token'
  if (key.activeFrom === null) return 'announced'
  return key.id === sealing ? 'sealing' : 'opening'
}

const isSealing = ({ purpose, activeFrom, retiredAt }: KeyFacts): boolean =>
  purpose === 'seal' && activeFrom !== null && retiredAt === null

/** `keys list`: every key that ever was. Throws DATABASE_UNAVAILABLE. */
export async function listKeys(place: Place): Promise<readonly ListedKey[]> {
  return within(place, async ({ database }) => {
    const facts = await listKeyFacts(database.query)
    const values = await countSealedBy(database.query)
    const sealing = facts.findLast(isSealing)?.id
    return facts.map((key) => ({
      id: key.id,
      purpose: key.purpose,
      suite: key.suite,
      kek: key.kek,
      state: stateOf(key, sealing),
      ageDays: Math.floor((Date.now() - key.createdAt.getTime()) / DAY_MS),
      values: key.purpose === 'seal' ? (values.get(key.id) ?? 0) : null,
    }))
  })
}

/** What a rotation came to. */
export interface Rotation {
  readonly key: number
  readonly retired: readonly number[]
  readonly resealed: number
  readonly seconds: number
}

export interface RotateOptions {
  /** Hears what each step came to. */
  readonly tell?: (step: RotationStep) => void
  readonly drainMs?: number
}

/**
 * `keys rotate`: a new sealing key, everything sealed again with it, and the old keys destroyed. One that was begun before, here or
 * elsewhere, is carried on; the workers do so too. Throws KEY_UNAVAILABLE.
 */
export async function rotateKeys(place: Place, options: RotateOptions = {}): Promise<Rotation> {
  return within(place, async (installation: Installation) => {
    const { config, database, keys, keyProvider } = installation
    const [keyEncryptionKey = Buffer.alloc(0)] = await keyProvider.load()
    const context = { database, keys, actor: operator(), ...options }
    const began = performance.now()
    const key = await announceSealingKey(context, { keyEncryptionKey, suite: config.cryptoSuite })
    for (let [resealed, retired] = [0, [] as readonly number[]]; ;) {
      const step = await stepRotation(context)
      options.tell?.(step)
      resealed += step.resealed
      retired = [...retired, ...step.retired]
      if (step.state === 'done' || step.state === 'none')
        return { key, retired, resealed, seconds: Math.round((performance.now() - began) / 100) / 10 }
      if (step.waitsFor !== '') await wait(LOOK_AGAIN_MS)
    }
  })
}

/** `keys rotate --kek`: every data key under the first key-encryption key that the provider gives. Throws KEY_UNAVAILABLE. */
export async function rotateKek(place: Place): Promise<{ readonly kek: string; readonly rewrapped: number }> {
  return within(place, async ({ config, database, keys, keyProvider }) =>
    rewrapKeys({ database, keys, actor: operator() }, await keyProvider.load(), config.cryptoSuite),
  )
}

/** How many days the key that is sealed with is old. Throws KEY_UNAVAILABLE where there is none. */
export async function ageOfSealingKey({ database }: Installation): Promise<number> {
  const sealing = (await listKeyFacts(database.query)).findLast(isSealing)
  return sealing === undefined ? 0 : Math.floor((Date.now() - sealing.createdAt.getTime()) / DAY_MS)
}
