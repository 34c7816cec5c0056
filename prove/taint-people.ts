import { setTimeout as wait } from 'node:timers/promises'
import { rotateKeys } from '../src/key-commands.ts'
import { askAs, employAll, fetchToken } from './taint-accounts.ts'
import type { RunningProcess } from './taint-capture.ts'
import { playFaults } from './taint-faults.ts'
import { playFreeze, playIncident, type Faults } from './taint-office.ts'
import { playOversight } from './taint-oversight.ts'
import type { Consumer } from './taint-questions.ts'
import { playReveals } from './taint-reveals.ts'
import type { SignedLog } from './taint-signing.ts'
import type { Stage } from './taint-stage.ts'
import { playSurfaces } from './taint-surfaces.ts'

export interface PeoplePlay {
  readonly address: string
  readonly consumer: Consumer
  readonly log: SignedLog
  /** Whether things break too. */
  readonly isBreaking: boolean
}

/** Asks a process of the API for many pages and kills it in the midst of answering. */
export async function killWhileAsked(stage: Stage, api: RunningProcess, consumer: Consumer): Promise<void> {
  const token = await fetchToken(stage, api.listening, consumer.consumer, consumer.clientSecret)
  const pull = askAs(stage, api.listening, token)
  const pulls = Array.from({ length: 12 }, () => pull({ path: '/api/v1/datasets/resident/snapshot?limit=500' }))
  await Promise.race(pulls.map((one) => one.catch(() => null)))
  await api.stop('SIGKILL')
  await Promise.allSettled(pulls)
}

/** Drained at once: nobody of this play goes on for long with what was read before. */
const DRAIN_MS = 500
const MOST_WAIT_MS = 120_000

/** Rotates the sealing key while everybody goes on working. The result is what did not come as planned. */
async function rotate({ installation }: Stage): Promise<Faults> {
  const given = AbortSignal.timeout(MOST_WAIT_MS)
  const rotating = rotateKeys(installation, { drainMs: DRAIN_MS }).then(({ resealed, retired }) =>
    resealed + retired.length > 0 ? [] : ['no value was sealed again'],
  )
  return Promise.race([
    rotating,
    wait(MOST_WAIT_MS, ['the key was not rotated in time'], { ref: false, signal: given }),
  ])
}

/**
 * Everybody at work, with canaries in all that they say: reveals, freezes, incidents, rejected rows, exports, oversight, reports, evidence
 * and pruning, the key rotated meanwhile. Returns what did not come as planned.
 */
export async function playPeople(stage: Stage, { address, consumer, log, isBreaking }: PeoplePlay): Promise<Faults> {
  const faults: Faults = []
  const office = await employAll(stage, address)
  const puller = askAs(stage, address, await fetchToken(stage, address, consumer.consumer, consumer.clientSecret))
  const rotated = rotate(stage).catch(() => ['the key was not rotated'])
  await playReveals(stage, faults, office)
  await playFreeze(stage, faults, office, () => puller({ path: '/api/v1/datasets/resident/changes' }))
  await playIncident(stage, faults, office)
  await playSurfaces(stage, faults, office, { address, consumer: puller })
  await playOversight(stage, faults, office, log)
  faults.push(...(await rotated))
  const { editor, auditor } = office
  if (isBreaking) await playFaults(stage, faults, { editor: editor.ask, auditor: auditor.ask, consumer: puller })
  return faults
}
