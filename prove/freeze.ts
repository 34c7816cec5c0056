import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { memoryLimits, projectRoot } from '../demo/processes.ts'
import { loadConfig } from '../src/config.ts'
import { openInstallation } from '../src/installation.ts'
import { findRun, requestRun } from '../src/store/runs.ts'
import { startDepartment } from '../test/support/department.ts'
import type { TestInstallation } from '../test/support/installation.ts'
import { registerConsumer, registerFeed, type RegisteredConsumer } from '../test/support/ledger.ts'
import { employ, type Person } from '../test/support/office.ts'
import { startReceiver, type Receiver } from '../test/support/receiver.ts'

export interface FreezeVerdict {
  readonly ok: boolean
  readonly records: number
  /** From the request to freeze everything to its answer. */
  readonly frozenMs: number
  /** From the request to freeze to the last answer with data, of each replica. */
  readonly lastPullMs: readonly number[]
  /** The same for what arrived at the receiver. */
  readonly lastPushMs: number
  /** Answers and deliveries that a disclosure behind the freeze led to, by the audit log. */
  readonly disclosedAfter: number
  /** Answers 503 FROZEN of each replica. */
  readonly refused: readonly number[]
  readonly pagesWhileFrozen: number
  /** Records at the receiver in the end that it did not get, or got more than once in a version. */
  readonly lost: number
  readonly doubled: number
}

export interface FreezeOptions {
  readonly rows: number
  /** For how long everything is frozen, one replica killed and started again in the middle. */
  readonly frozenMs: number
}

/** Of a page of a hundred rows: reading goes on while everything is frozen. */
const LATENCY_MS = 300

type Environment = Readonly<Record<string, string>>

interface Replica {
  readonly url: string
  readonly child: ChildProcess
}

/** `gridbridge start` as an operator starts it, API and worker in one process. */
async function startReplica(environment: Environment): Promise<Replica> {
  const child = spawn(process.execPath, [...memoryLimits, 'src/cli.ts', 'start', '--role', 'api', '--role', 'worker'], {
    cwd: projectRoot,
    env: { PATH: process.env['PATH'], ...environment, PORT: '0' },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  for await (const line of createInterface(child.stdout)) {
    const { listening } = JSON.parse(line) as { readonly listening?: string }
    if (listening === undefined) continue
    child.stdout.resume()
    return { url: listening, child }
  }
  throw new Error(`a replica ended with ${child.exitCode}`)
}

async function endReplica({ child }: Replica, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}

/** What a consumer saw that pulls over and over from one replica. */
interface Puller {
  readonly lastDataAt: () => number
  readonly refused: () => number
  readonly stop: () => Promise<void>
}

async function tokenOf(url: string, { name, clientSecret }: RegisteredConsumer): Promise<string> {
  const response = await fetch(`${url}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${name}:${clientSecret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })
  return ((await response.json()) as { readonly access_token: string }).access_token
}

function startPuller(url: string, token: string): Puller {
  let [lastDataAt, refused] = [0, 0]
  const stopping = new AbortController()
  const pull = async (): Promise<void> => {
    const response = await fetch(`${url}/api/v1/datasets/resident/changes?limit=200`, {
      headers: { authorization: `Bearer ${token}` },
    })
    const body = (await response.json()) as { readonly code?: string; readonly changes?: readonly unknown[] }
    if ((body.changes?.length ?? 0) > 0) lastDataAt = Date.now()
    if (response.status === 503 && body.code === 'FROZEN') refused += 1
  }
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) await pull().catch(() => wait(50))
  }
  const running = Promise.all([run(), run()])
  return {
    lastDataAt: () => lastDataAt,
    refused: () => refused,
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}

interface Pushed {
  readonly changes: readonly { readonly id: string; readonly version: number }[]
}

/** How many of the records the receiver never got, and how many it got more than once in one version. */
function judge({ received }: Receiver, rows: number): readonly [lost: number, doubled: number] {
  const got = received.flatMap(({ body }) => (JSON.parse(body) as Pushed).changes)
  const versions = new Set(got.map(({ id, version }) => `${id}@${version}`))
  return [rows - new Set(got.map(({ id }) => id)).size, got.length - versions.size]
}

async function until(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  const endsAt = Date.now() + 300_000
  while (!(await isSo())) {
    if (Date.now() > endsAt) throw new Error(`waited in vain until ${what}`)
    await wait(50)
  }
}

/** Entries after which personal information left, written behind the freeze; its own place in the log says where that is. */
async function countDisclosedAfter({ asOwner }: TestInstallation): Promise<number> {
  const [row] = await asOwner<{ entries: number }>(
    `select count(*)::int as entries from audit.entry, gridbridge.freeze_order
      where event_type in ('changes.pulled', 'delivery.sent')
        and recorded_at > (select recorded_at from audit.entry where event_type = 'freeze.set')
        and recorded_at < coalesce(lifted_at, 'infinity')`,
  )
  return row?.entries ?? 0
}

interface Play {
  readonly installation: TestInstallation
  readonly environment: Environment
  readonly options: FreezeOptions
  readonly receiver: Receiver
  readonly runId: number
  readonly consumer: RegisteredConsumer
  readonly arrivals: Arrivals
}

/** Freezes, kills, lifts, while everything is under load. */
async function play(given: Play, replicas: Replica[], office: readonly [Person, Person]): Promise<FreezeVerdict> {
  const { installation, environment, options, receiver, runId, consumer, arrivals } = given
  const pagesOf = async (): Promise<number> => (await findRun(installation.database.query, runId)).pages
  await until('rows are read and pushed', async () => (await pagesOf()) > 2 && receiver.received.length > 0)
  const pullers: Puller[] = []
  for (const { url } of replicas) pullers.push(startPuller(url, await tokenOf(url, consumer)))
  await until('every replica answers', () => pullers.every((one) => one.lastDataAt() > 0))
  const startedAt = Date.now()
  const { body } = await office[0].post('/api/v1/freezes', { scope: 'everything', reason: '演练' })
  const frozenMs = Date.now() - startedAt
  const pagesBefore = await pagesOf()
  await wait(options.frozenMs / 2)
  const pushed = receiver.received.length
  const lastPushMs = Math.max(0, arrivals.lastAt() - startedAt)
  const lastPull = pullers.map((one) => one.lastDataAt() - startedAt)
  const [first] = replicas
  if (first !== undefined) await endReplica(first, 'SIGKILL')
  replicas[0] = await startReplica(environment)
  await wait(options.frozenMs / 2)
  const pagesWhileFrozen = (await pagesOf()) - pagesBefore
  const pushedLater = receiver.received.length - pushed
  const disclosedAfter = await countDisclosedAfter(installation)
  const refused = pullers.map((one) => one.refused())
  for (const puller of pullers) await puller.stop()
  await office[1].post(`/api/v1/freezes/${body.freezeId}/lift`, { reason: '演练结束' })
  await until('the run is done', async () => (await findRun(installation.database.query, runId)).state === 'done')
  await until('everything has arrived', () => judge(receiver, options.rows)[0] === 0)
  await wait(1000)
  const [lost, doubled] = judge(receiver, options.rows)
  const verdict = {
    records: options.rows,
    frozenMs,
    lastPullMs: lastPull,
    lastPushMs,
    disclosedAfter: disclosedAfter + pushedLater,
    refused,
    pagesWhileFrozen,
    lost,
    doubled,
  }
  return { ok: isProven(verdict), ...verdict }
}

const MOST_MS = 5000

const isProven = (verdict: Omit<FreezeVerdict, 'ok'>): boolean =>
  verdict.frozenMs <= MOST_MS &&
  [...verdict.lastPullMs, verdict.lastPushMs].every((ms) => ms <= MOST_MS) &&
  verdict.disclosedAfter + verdict.pagesWhileFrozen + verdict.lost + verdict.doubled === 0 &&
  verdict.refused.every((answers) => answers > 0)

interface Arrivals {
  readonly lastAt: () => number
  readonly stop: () => void
}

/** Hears of deliveries as they arrive. */
function watchArrivals({ received }: Receiver): Arrivals {
  let [seen, lastAt] = [0, 0]
  const timer = setInterval(() => {
    if (received.length > seen) lastAt = Date.now()
    seen = received.length
  }, 10)
  return { lastAt: () => lastAt, stop: () => clearInterval(timer) }
}

/** As `proveFreeze`, on an installation that is there. */
export async function playFreeze(
  installation: TestInstallation,
  environment: Environment,
  options: FreezeOptions,
): Promise<FreezeVerdict> {
  const receiver = await startReceiver()
  const arrivals = watchArrivals(receiver)
  const department = await startDepartment(options.rows, 100, LATENCY_MS)
  const replicas: Replica[] = []
  try {
    const feed = await registerFeed(installation, 'LZ-GA-RK-001', { source: department.source })
    const consumer = await registerConsumer(installation, 'platform', { webhookUrl: receiver.url })
    for (let one = 1; one <= 3; one++) replicas.push(await startReplica(environment))
    const url = replicas[1]?.url ?? ''
    const office = [
      await employ(installation, url, 'officer', 'security-administrator'),
      await employ(installation, url, 'officer-2', 'security-administrator'),
    ] as const
    const { runId } = await requestRun(installation.database.query, feed.feedId)
    return await play({ installation, environment, options, receiver, runId, consumer, arrivals }, replicas, office)
  } finally {
    for (const replica of replicas) await endReplica(replica, 'SIGTERM')
    arrivals.stop()
    department.close()
    receiver.close()
  }
}

/**
 * Three processes of the product read a department, answer pulls and push under load when everything is frozen; one of them is killed
 * with SIGKILL while it is. Nothing may leave or come in behind the freeze, and after it is lifted everything arrives exactly once.
 */
export async function proveFreeze(options: FreezeOptions): Promise<FreezeVerdict> {
  const data = mkdtempSync(path.join(tmpdir(), 'gridbridge-freeze-'))
  chmodSync(data, 0o711)
  const opened = await openInstallation(loadConfig({ GRIDBRIDGE_DATA: data }), 'prove')
  const { database, databaseUrl } = opened
  const installation = { ...opened, ownerUrl: databaseUrl, asOwner: database.query }
  const environment = {
    DATABASE_URL: databaseUrl,
    GRIDBRIDGE_KEK_FILE: path.join(data, 'keys', 'kek'),
    GRIDBRIDGE_EGRESS_ALLOW: 'loopback',
    LOG_LEVEL: 'silent',
  }
  try {
    return await playFreeze(installation, environment, options)
  } finally {
    await opened.close()
    rmSync(data, { recursive: true, force: true })
  }
}
