import { chmodSync, mkdtempSync, rmSync, writeFileSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startPart } from '../demo/processes.ts'
import { loadConfig, type Config } from '../src/config.ts'
import { toAppError } from '../src/errors.ts'
import { openInstallation } from '../src/installation.ts'
import { makeHolder, startKeyRefresh } from '../src/jobs/key-refresh.ts'
import type { RotationStep } from '../src/jobs/key-rotation.ts'
import { listKeys, rotateKek, rotateKeys } from '../src/key-commands.ts'
import { openKeyProvider } from '../src/security/key-encryption-key.ts'
import { openLiveKeyRing } from '../src/security/live-key-ring.ts'
import { open, seal } from '../src/security/seal.ts'
import { giveCredential } from '../src/sharing/credentials.ts'
import { readDataKeys } from '../src/store/data-keys.ts'
import { countSealedBy } from '../src/store/sealed-values.ts'
import type { TestInstallation } from '../test/support/installation.ts'
import { registerConsumer, registerFeed } from '../test/support/ledger.ts'
import { createRandom } from './random.ts'
import { searchDump, type DumpVerdict } from './rotate-dump.ts'
import {
  keepFollowing,
  keepPulling,
  keepReading,
  keepSaving,
  openAsking,
  openCounts,
  pullToEnd,
  type LoadStage,
} from './rotate-load.ts'
import { fillTown, makeKek, secretsAsCanaries } from './rotate-people.ts'
import { openCanaryBook } from './taint-canaries.ts'
import { openFinder } from './taint-search.ts'

export interface RotateOptions {
  readonly records: number
  /** People among them each of whose values is looked for afterwards. */
  readonly canaries: number
  /** Processes that serve and work while keys rotate. */
  readonly replicas: number
  readonly seed: number
  readonly drainMs?: number
}

export interface RotateVerdict extends DumpVerdict {
  readonly ok: boolean
  readonly seed: number
  readonly records: number
  readonly requests: number
  readonly failed: number
  readonly wrong: number
  readonly failures: readonly string[]
  /** Versions that were written while keys rotated, that a consumer was told, that nobody wrote, and that it was never told. */
  readonly written: number
  readonly told: number
  readonly spurious: number
  readonly untold: number
  readonly sealedValues: number
  /** From the command until nothing named the old key. */
  readonly resealSeconds: number
  readonly resealedPerSecond: number
  readonly rotationSeconds: number
  readonly kekSeconds: number
  readonly oldKeyRefused: boolean
  readonly oldKekRefused: boolean
}

/** An installation whose key-encryption key is in a file. */
export interface RotateStage {
  readonly installation: TestInstallation
  readonly kekFile: string
}

const configOf = ({ installation, kekFile }: RotateStage): Config =>
  loadConfig({ DATABASE_URL: installation.databaseUrl, GRIDBRIDGE_KEK_FILE: kekFile })

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work()
    return 'none'
  } catch (error) {
    return toAppError(error).code
  }
}

/** Puts the new key before the old one, wraps everything under it, and takes the old one away. Returns how long that took. */
async function changeKek(stage: RotateStage, next: string): Promise<number> {
  const before = readFileSync(stage.kekFile, 'utf8').trim()
  const began = performance.now()
  writeFileSync(stage.kekFile, `${next}\n${before}\n`)
  await rotateKek(configOf(stage))
  writeFileSync(stage.kekFile, `${next}\n`)
  return (performance.now() - began) / 1000
}

interface Replica {
  readonly url: string
  readonly stop: () => Promise<void>
}

/** `gridbridge start` as an operator starts it, several times: each serves and works. */
function startReplicas(stage: RotateStage, count: number, logs: string): Promise<readonly Replica[]> {
  const environment = {
    DATABASE_URL: stage.installation.databaseUrl,
    GRIDBRIDGE_KEK_FILE: stage.kekFile,
    GRIDBRIDGE_EGRESS_ALLOW: 'loopback',
    PORT: '0',
    LOG_LEVEL: 'warn',
  }
  const script = ['src/cli.ts', 'start', '--role', 'api', '--role', 'worker']
  return Promise.all(
    Array.from({ length: count }, async (_, place) => {
      const name = `replica-${place + 1}`
      const part = await startPart<{ readonly listening: string }>({ name, script, environment, logs })
      return { url: part.facts.listening, stop: part.stop }
    }),
  )
}

type Played = Omit<RotateVerdict, keyof DumpVerdict | 'ok' | 'seed' | 'records' | 'oldKeyRefused' | 'oldKekRefused'>

/** Everything that goes on while `rotate` does its work. */
async function underLoad<Done>(
  writing: Omit<Parameters<typeof keepSaving>[0], 'isOver'>,
  stages: readonly Omit<LoadStage, 'isOver'>[],
  seed: number,
  rotate: () => Promise<Done>,
): Promise<Pick<Played, 'written' | 'told' | 'spurious' | 'untold'> & { readonly done: Done }> {
  const [random, over] = [createRandom(seed), { writing: false, reading: false }]
  const reading = stages.map((one) => ({ ...one, isOver: () => over.reading }))
  const [first] = reading
  if (first === undefined) throw new Error('wanted a replica')
  const following = keepFollowing(first, await pullToEnd(openAsking(first), () => undefined))
  const readers = reading.flatMap((one) => [keepPulling(one, 500), keepReading(one, random)])
  const saving = keepSaving({ ...writing, isOver: () => over.writing }, random)
  const done = await rotate().finally(() => (over.writing = true))
  const written = await saving
  over.reading = true
  await Promise.all(readers)
  const { changes, spurious, seen } = await following
  const untold = [...written].filter(([id, version]) => !seen.has(`${id} ${version}`)).length
  return { done, written: written.size, told: changes, spurious, untold }
}

/** Both rotations, one after the other, as the commands do them. */
async function rotateBoth(stage: RotateStage, { drainMs }: RotateOptions, nextKek: string) {
  const { installation } = stage
  const [[old = 0, sealedValues = 0] = []] = await countSealedBy(installation.database.query)
  const [began, times] = [performance.now(), { resealed: 0 }]
  const tell = ({ resealed }: RotationStep): void => {
    if (resealed > 0) times.resealed = performance.now()
  }
  const { seconds } = await rotateKeys(configOf(stage), { tell, ...(drainMs === undefined ? {} : { drainMs }) })
  const resealSeconds = (times.resealed - began) / 1000
  const kekSeconds = await changeKek(stage, nextKek)
  return { old, sealedValues, resealSeconds, rotationSeconds: seconds, kekSeconds }
}

const tenths = (value: number): number => Math.round(value * 10) / 10

/** Whether what the old key sealed opens with the ring of a process that starts now, and whether one with the old key starts. */
async function tryOldKeys(stage: RotateStage, kept: Uint8Array, oldKek: string): Promise<readonly [boolean, boolean]> {
  const wrapped = await readDataKeys(stage.installation.database.query)
  const settings = { command: null, text: null, file: stage.kekFile, create: false }
  const ring = await openLiveKeyRing(openKeyProvider(settings), wrapped)
  const byKey = await codeOf(() => open(ring.sealKey, 'kept', kept))
  const config = loadConfig({ DATABASE_URL: stage.installation.databaseUrl, GRIDBRIDGE_KEK: oldKek })
  return [byKey === 'KEY_UNAVAILABLE', (await codeOf(() => listKeys(config))) === 'KEY_UNAVAILABLE']
}

/** A ring of this process that follows the installation's keys, as every process of the product does. */
async function followKeys({ installation, kekFile }: RotateStage) {
  const { query } = installation.database
  const settings = { command: null, text: null, file: kekFile, create: false }
  const keys = await openLiveKeyRing(openKeyProvider(settings), await readDataKeys(query))
  return { keys, stop: startKeyRefresh(query, keys, makeHolder('prove'), () => undefined) }
}

/**
 * Rotates the sealing key and then the key-encryption key of a filled store, while processes of the product serve pulls and single reads
 * and records are saved; then looks for every value of the canaries in a copy of all tables.
 */
export async function playRotate(given: RotateStage, options: RotateOptions, logs: string): Promise<RotateVerdict> {
  const { keys, stop } = await followKeys(given)
  const stage = { ...given, installation: { ...given.installation, keys } }
  const { installation } = stage
  const [oldKek, nextKek, book] = [readFileSync(stage.kekFile, 'utf8').trim(), makeKek(), openCanaryBook()]
  const feed = await registerFeed(installation, 'LZ-GA-RK-001')
  const town = await fillTown(installation, feed, book, options)
  const forms = { name: 'clear', certNumber: 'clear', gridCode: 'mask' } as const
  const consumer = await registerConsumer(installation, 'grid-platform', { forms })
  const { secret } = await installation.database.transaction((transaction) =>
    giveCredential({ transaction, keys, actor: 'operator:prove' }, consumer.name, { kind: 'signing', digest: 'sm3' }),
  )
  const kept = seal(keys.sealing, 'kept', 'kept')
  const replicas = await startReplicas(stage, options.replicas, logs)
  const counts = openCounts()
  try {
    const stages = replicas.map(({ url }) => ({ url, consumer, town, counts }))
    const rotate = () => rotateBoth(stage, options, nextKek)
    const { done, ...feedCounts } = await underLoad({ installation, feed, town, counts }, stages, options.seed, rotate)
    const [oldKeyRefused, oldKekRefused] = await tryOldKeys(stage, kept, oldKek)
    const secrets = secretsAsCanaries({ oldKek, nextKek, signing: secret ?? '', client: consumer.clientSecret })
    const finder = openFinder([...book.canaries(), ...secrets])
    const dump = await searchDump(installation.ownerUrl, { query: installation.database.query, keys }, finder)
    const isQuiet = counts.failed + counts.wrong + feedCounts.spurious + feedCounts.untold === 0
    // Each canary's record or refused row, and the secret that the consumer signs with.
    const isThere = dump.openedWithKey > options.canaries
    const isClosed = oldKeyRefused && oldKekRefused && isThere && dump.hits.length + dump.openedWithoutKey === 0
    return {
      ok: isQuiet && isClosed && counts.requests > 0 && feedCounts.written > 0 && done.sealedValues >= options.records,
      seed: options.seed,
      records: town.size,
      ...counts,
      ...feedCounts,
      sealedValues: done.sealedValues,
      resealSeconds: tenths(done.resealSeconds),
      resealedPerSecond: Math.round(done.sealedValues / done.resealSeconds),
      rotationSeconds: done.rotationSeconds,
      kekSeconds: tenths(done.kekSeconds),
      oldKeyRefused,
      oldKekRefused,
      ...dump,
    }
  } finally {
    await Promise.all(replicas.map((replica) => replica.stop()))
    await stop()
  }
}

/** The same on an installation of its own. */
export async function proveRotate(options: RotateOptions): Promise<RotateVerdict> {
  const data = mkdtempSync(path.join(tmpdir(), 'gridbridge-rotate-'))
  // The embedded server of root runs as another user, who must be able to walk to its files.
  chmodSync(data, 0o711)
  const opened = await openInstallation(loadConfig({ GRIDBRIDGE_DATA: data }), 'prove')
  const installation = { ...opened, ownerUrl: opened.databaseUrl, asOwner: opened.database.query }
  try {
    return await playRotate({ installation, kekFile: path.join(data, 'keys', 'kek') }, options, path.join(data, 'logs'))
  } finally {
    await opened.close()
    rmSync(data, { recursive: true, force: true })
  }
}
