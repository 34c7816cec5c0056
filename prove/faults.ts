import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import pg from 'pg'
import { loadConfig } from '../src/config.ts'
import { openInstallation } from '../src/installation.ts'
import type { Query } from '../src/store/database.ts'
import { strangerRows } from '../test/support/exports.ts'
import type { TestInstallation } from '../test/support/installation.ts'
import { registerConsumer, registerFeed, storeRows } from '../test/support/ledger.ts'
import { ask, openAgent, type Asking, type Outcome } from './faults-client.ts'
import { countFaults, endFaults, faultNames, plantFaults, type FaultName } from './faults-plant.ts'
import { startReplica, type Replica } from './faults-replicas.ts'
import { createRandom, type Random } from './random.ts'

export interface FaultsVerdict {
  readonly ok: boolean
  readonly seed: number
  readonly requests: number
  /** Answers with records that the receiver has, and those of them without a committed entry of their own. */
  readonly received: number
  readonly unaudited: number
  /** Failures that were answered, the slowest of them in milliseconds, and requests beyond `requests` whose process was killed. */
  readonly failed: number
  readonly slowestMs: number
  readonly cut: number
  readonly otherAnswers: Readonly<Record<string, number>>
  readonly faults: Readonly<Record<FaultName, number>>
  readonly kills: number
  readonly silences: number
  readonly seconds: number
  /** Answers with records in the second after the faults ended, of 200. */
  readonly recovered: number
}

export interface FaultsOptions {
  readonly requests: number
  /** That one entry meets one of the six faults. */
  readonly chance: number
  /** Milliseconds between two kills of a replica, and between two losses of a replica's connections to the database. */
  readonly killEveryMs: number
  readonly silenceEveryMs: number
  readonly seed: number
}

const REPLICAS = 3
const AT_ONCE = 24
const RECORDS = 200
/** A failure is told within this. */
const MOST_MS = 2000

interface Play {
  readonly replicas: readonly Replica[]
  readonly agent: Agent
  readonly token: string
  readonly random: Random
}

/** A request that no other is like: a query names its own case, a pull is known by the digest of what it got. */
function makeAsking({ replicas, token, random }: Play, number: number): Asking {
  const port = replicas[number % replicas.length]?.port ?? 0
  const dataset = '/api/v1/datasets/resident'
  const id = `LZ-GA-RK-001/R-${1 + random(RECORDS)}`
  const pulls = [`/changes?limit=${1 + random(50)}`, `/snapshot?limit=${1 + random(50)}`, `/records/${id}`]
  const pull = pulls[random(6)]
  if (pull !== undefined) return { port, token, path: `${dataset}${pull}`, body: null }
  const body = JSON.stringify({ id, reason: '核实走访信息', caseNumber: `F-${String(number).padStart(6, '0')}` })
  return { port, token, path: `${dataset}/queries`, body }
}

interface Answered extends Outcome {
  readonly number: number
  readonly isQuery: boolean
}

async function askAll(play: Play, requests: number): Promise<readonly Answered[]> {
  const answered: Answered[] = []
  let [next, left] = [0, requests]
  const client = async (): Promise<void> => {
    while (left > 0) {
      const number = next
      next += 1
      left -= 1
      const asking = makeAsking(play, number)
      const outcome = await ask(play.agent, asking)
      answered.push({ ...outcome, number, isQuery: asking.body !== null })
      if (outcome.status !== 0) continue
      // It was killed and takes seconds to come back; what it did not answer is asked of another.
      left += 1
      await wait(100)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, client))
  return answered
}

/** Does it to one replica after another until it is told to end. Returns how often. */
async function keepDoing(
  everyMs: number,
  replicas: readonly Replica[],
  deed: (replica: Replica) => void,
  isOver: () => boolean,
): Promise<number> {
  let done = 0
  for (let dueAt = Date.now() + everyMs; !isOver(); await wait(20)) {
    const replica = replicas[done % replicas.length]
    if (replica === undefined || Date.now() < dueAt) continue
    deed(replica)
    done += 1
    dueAt = Date.now() + everyMs
  }
  return done
}

const digestName = (digest: string): string => `digest ${digest}`

/** What an answer has to be written down as: the case of a query and the digest of its bytes, or the digest alone. */
const nameOf = ({ number, isQuery, digest }: Answered): string =>
  isQuery ? `F-${String(number).padStart(6, '0')} ${digest ?? ''}` : digestName(digest ?? '')

/** Answers that have no committed entry of their own: each entry accounts for one. */
async function countUnaudited(asOwner: Query, received: readonly Answered[]): Promise<number> {
  const entries = await asOwner<{ caseNumber: string | null; digest: string }>(
    `select convert_from(body, 'UTF8')::jsonb #>> '{details,caseNumber}' as "caseNumber",
            convert_from(body, 'UTF8')::jsonb ->> 'outputDigest' as digest
       from audit.entry where event_type in ('changes.pulled', 'snapshot.pulled', 'record.read', 'record.queried')`,
  )
  const left = new Map<string, number>()
  for (const { caseNumber, digest } of entries) {
    const name = caseNumber === null ? digestName(digest) : `${caseNumber} ${digest}`
    left.set(name, (left.get(name) ?? 0) + 1)
  }
  let unaudited = 0
  for (const name of received.map(nameOf)) {
    const entry = left.get(name) ?? 0
    if (entry === 0) unaudited += 1
    left.set(name, entry - 1)
  }
  return unaudited
}

function countStatuses(answered: readonly Answered[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { status } of answered) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

const hasStatus =
  (...wanted: readonly number[]) =>
  ({ status }: Answered): boolean =>
    wanted.includes(status)

async function prepare(installation: TestInstallation): Promise<string> {
  const feed = await registerFeed(installation, 'LZ-GA-RK-001')
  await storeRows(installation, feed, strangerRows(1, RECORDS))
  const { consumerId } = await registerConsumer(installation, 'receiver', { forms: { name: 'mask', sex: 'mask' } })
  const token = 'a-token-of-the-receiver-that-outlives-the-proof'
  await installation.asOwner(
    `insert into gridbridge.access_token (token_hash, kind, consumer_id, credential_id, expires_at)
       select decode($1, 'hex'), 'consumer', consumer_id, credential_id, now() + interval '1 day'
         from gridbridge.credential where consumer_id = $2`,
    [installation.keys.token('credential', token), consumerId],
  )
  return token
}

/** Waits until every replica answers again, half a minute at most: one that was killed last is still coming up. */
async function answerAgain(play: Play): Promise<void> {
  const endsAt = Date.now() + 30_000
  for (const { port } of play.replicas) {
    const asking = { port, token: play.token, path: '/api/v1/datasets/resident/changes?limit=1', body: null }
    while ((await ask(play.agent, asking)).status !== 200 && Date.now() < endsAt) await wait(200)
  }
}

/** Plays the requests while the audit insert fails, hangs and dies, replicas are killed and their connections fall silent. */
export async function playFaults(
  installation: TestInstallation,
  environment: Readonly<Record<string, string>>,
  options: FaultsOptions,
): Promise<FaultsVerdict> {
  const token = await prepare(installation)
  const starting = Array.from({ length: REPLICAS }, () => startReplica(installation.databaseUrl, environment))
  const replicas = await Promise.all(starting)
  const agent = openAgent()
  try {
    const play = { replicas, agent, token, random: createRandom(options.seed) }
    await plantFaults(installation.asOwner, options.chance)
    let over = false
    const isOver = (): boolean => over
    const killing = keepDoing(options.killEveryMs, replicas, ({ kill }) => kill(), isOver)
    const silencing = keepDoing(options.silenceEveryMs, replicas, ({ loseConnections }) => loseConnections(), isOver)
    const startedAt = performance.now()
    const answered = await askAll(play, options.requests)
    const seconds = Math.round((performance.now() - startedAt) / 100) / 10
    over = true
    const [kills, silences] = await Promise.all([killing, silencing])
    const faults = await countFaults(installation.asOwner)
    await endFaults(installation.asOwner)
    await answerAgain(play)
    const recovered = (await askAll({ ...play, random: createRandom(options.seed) }, 200)).filter(hasStatus(200)).length
    const received = answered.filter(({ digest }) => digest !== null)
    const failures = answered.filter(({ status }) => status >= 500)
    const slowestMs = Math.round(Math.max(0, ...failures.map(({ ms }) => ms)))
    const unaudited = await countUnaudited(installation.asOwner, received)
    const hasMet = faultNames.every((name) => faults[name] > 0) && kills > 0 && silences > 0
    const figures = {
      requests: options.requests,
      received: received.length,
      unaudited,
      failed: failures.length,
      slowestMs,
    }
    return {
      ok: unaudited === 0 && slowestMs <= MOST_MS && hasMet && received.length > 0 && recovered === 200,
      seed: options.seed,
      ...figures,
      cut: answered.filter(hasStatus(0)).length,
      otherAnswers: countStatuses(answered.filter(({ status }) => ![0, 200, 503].includes(status))),
      faults,
      kills,
      silences,
      seconds,
      recovered,
    }
  } finally {
    agent.destroy()
    for (const { stop } of replicas) await stop()
  }
}

/** The same on an installation of its own. */
export async function proveFaults(options: FaultsOptions): Promise<FaultsVerdict> {
  const data = mkdtempSync(path.join(tmpdir(), 'gridbridge-faults-'))
  chmodSync(data, 0o711)
  const opened = await openInstallation(loadConfig({ GRIDBRIDGE_DATA: data }), 'prove')
  const owner = new pg.Pool({ connectionString: opened.databaseUrl, max: 2 })
  const asOwner: Query = async <Row>(text: string, values: readonly unknown[] = []) =>
    (await owner.query(text, [...values])).rows as Row[]
  const installation = { ...opened, ownerUrl: opened.databaseUrl, asOwner }
  const environment = { GRIDBRIDGE_KEK: readFileSync(path.join(data, 'keys', 'kek'), 'utf8').trim() }
  try {
    return await playFaults(installation, environment, options)
  } finally {
    await owner.end()
    await opened.close()
    rmSync(data, { recursive: true, force: true })
  }
}
