import { setTimeout as wait } from 'node:timers/promises'
import { open } from '../src/security/seal.ts'
import { sumDeliveries } from '../src/store/delivery-totals.ts'
import type { RunningProcess } from './taint-capture.ts'
import { openDepartment, type CanaryDepartment } from './taint-department.ts'
import {
  addByCommand,
  addFeeds,
  giveWrongCommands,
  planEverything,
  planResidents,
  RESIDENT_FEED,
  runAll,
  type PlannedFeed,
} from './taint-feeds.ts'
import { killWhileAsked, playPeople } from './taint-people.ts'
import { askEverything, type Consumer } from './taint-questions.ts'
import { startSigning, writeOldMonth, type SignedLog } from './taint-signing.ts'
import { captureEnvironment } from './taint-sinks.ts'
import type { Stage } from './taint-stage.ts'

interface PlayOptions {
  /** Good rows over all sources; the bad ones come on top. */
  readonly people: number
  /** Every source and every way of failing; otherwise residents alone. */
  readonly everything: boolean
}

/** What the play moved: a proof about nothing proves nothing. */
export interface Played {
  readonly records: number
  /** Those of the records that were merged out of others. */
  readonly persons: number
  readonly rejections: number
  readonly rules: readonly string[]
  readonly delivered: number
  readonly pulled: number
  /** Sealed values that were opened and held the canaries of their row. */
  readonly opened: number
  /** What did not come as planned. */
  readonly faults: readonly string[]
}

const start = ['src/cli.ts', 'start', '--role'] as const

/** Two consumers: one that takes deliveries and one that refuses each with a body that repeats a person. */
async function addConsumers(stage: Stage, datasets: string): Promise<Consumer & { readonly webhookSecret: string }> {
  const add = (name: string, path: string): Promise<string> =>
    stage.command(`consumer add ${name}`, [
      'src/cli.ts',
      'consumer',
      'add',
      name,
      '--datasets',
      datasets,
      '--purpose',
      'LZ-QD-001',
      '--webhook',
      stage.receiver.url + path,
      '--json',
    ])
  await stage.command('item publish', [
    'src/cli.ts',
    'item',
    'publish',
    'LZ-QD-001',
    '--name',
    '实有人口信息采集核实',
    '--county',
    '510502',
    '--approval',
    '演示批准',
  ])
  const [taker] = await Promise.all([add('taint-platform', '/webhook'), add('taint-refuser', '/refuse')])
  return JSON.parse(taker) as Consumer & { readonly webhookSecret: string }
}

async function startPlatform(stage: Stage, secret: string): Promise<void> {
  const platform = await stage.start(
    'platform',
    ['demo/platform/main.ts', '--data', stage.directories.platform, '--secret', secret],
    true,
  )
  stage.onClose(() => platform.stop())
  stage.usePlatform(platform.listening)
}

async function startWorker(stage: Stage, redisUrl = ''): Promise<RunningProcess> {
  const worker = await stage.start(
    'worker',
    [...start, 'worker', '--role', 'scheduler', '--role', 'sequencer'],
    false,
    {
      REDIS_URL: redisUrl,
    },
  )
  stage.onClose(() => worker.stop())
  return worker
}

const runResidents = (stage: Stage, redisUrl = ''): Promise<string> =>
  stage.command('feed run', ['src/cli.ts', 'feed', 'run', RESIDENT_FEED, '--wait', '--json'], { REDIS_URL: redisUrl })

/** The first run of the residents; the worker is killed in the midst of it and another one goes on. */
async function runThroughKill(stage: Stage, department: CanaryDepartment): Promise<RunningProcess> {
  const first = await startWorker(stage)
  const killed = Promise.withResolvers<void>()
  department.onMiddle(async () => {
    await first.stop('SIGKILL')
    killed.resolve()
  })
  const running = runResidents(stage)
  await Promise.race([killed.promise, running])
  // The lease of a dead worker runs out after 15 seconds; what is searched does not depend on waiting for it.
  await stage
    .owner()
    .query(`update gridbridge.run set lease_until = clock_timestamp() - interval '1 second' where state = 'running'`)
  const second = await startWorker(stage)
  await running
  return second
}

const MOST_WAIT_MS = 45_000

/** Waits until the taker has acknowledged every change; the refuser never does. */
async function awaitDelivery({ owner }: Stage): Promise<boolean> {
  const until = Date.now() + MOST_WAIT_MS
  while (Date.now() < until) {
    const { rows } = await owner().query(
      `select 1 from gridbridge.subscription join gridbridge.consumer using (consumer_id)
        where consumer.name = 'taint-platform' and exists (select from gridbridge.record
          where record.dataset_id = subscription.dataset_id and (change_tx, change_seq) > (cursor_tx, cursor_seq))`,
    )
    if (rows.length === 0) return true
    await wait(150)
  }
  return false
}

/** Opens every sealed record and counts those that hold a canary: the values are inside, and only there. */
export async function openSealed(stage: Stage, find: (bytes: Uint8Array) => readonly unknown[]): Promise<number> {
  const { rows } = await stage.owner().query<{ dataset: string; feed: string; id: string; sealed: Buffer }>(
    `select dataset.name as dataset, coalesce(feed.code, 'GB-PERSON-001') as feed, source_record_id as id, sealed
       from gridbridge.record left join gridbridge.feed using (feed_id) join gridbridge.dataset on dataset.dataset_id = record.dataset_id
      where sealed is not null`,
  )
  const { sealKey } = stage.installation.keys
  return rows.filter(
    ({ dataset, feed, id, sealed }) =>
      find(Buffer.from(open(sealKey, `record|${dataset}|${feed}|${id}`, sealed))).length > 0,
  ).length
}

async function count(stage: Stage, pulled: number, faults: readonly string[]): Promise<Omit<Played, 'opened'>> {
  const { rows: rules } = await stage
    .owner()
    .query<{ rule: string }>(
      `select distinct reason->>'rule' as rule from gridbridge.rejection, jsonb_array_elements(reasons) as reason order by 1`,
    )
  const { rows } = await stage.owner().query<Pick<Played, 'records' | 'persons' | 'rejections'>>(
    `select (select count(*) from gridbridge.record where masked is not null)::int as records,
            (select count(*) from gridbridge.record where masked is not null and feed_id = 0)::int as persons, (select count(*) from gridbridge.rejection)::int as rejections`,
  )
  const deliveries = await sumDeliveries(stage.installation.database.query)
  const delivered = deliveries.reduce((total, { acknowledged }) => total + acknowledged, 0)
  return {
    ...(rows[0] ?? { records: 0, persons: 0, rejections: 0 }),
    rules: rules.map(({ rule }) => rule),
    delivered,
    pulled,
    faults,
  }
}

/** The second round: what changed and what is gone, with the queue on Redis where there is one. */
async function playChanges(stage: Stage, department: CanaryDepartment, worker: RunningProcess): Promise<void> {
  const url = stage.queueServer?.url ?? ''
  await worker.stop()
  department.change()
  const next = await startWorker(stage, url)
  await runResidents(stage, url)
  captureEnvironment(stage, 'worker', next.pid)
}

const looks = [
  ['audit', 'verify'],
  ['doctor'],
  ['feed', 'list'],
  ['keys', 'list'],
  ['migrate'],
  ['run', 'certificate', '1'],
  ['consumer', 'credentials', 'taint-refuser'],
  ['consumer', 'rotate', 'taint-refuser'],
  ['account', 'add', 'somebody', '--role', 'audit-administrator'],
] as const

async function lookAround(stage: Stage): Promise<void> {
  for (const words of looks) await stage.command(words.join(' '), ['src/cli.ts', ...words])
}

async function planOthers(
  stage: Stage,
  department: CanaryDepartment,
  { people, everything }: PlayOptions,
): Promise<readonly PlannedFeed[]> {
  return everything
    ? planEverything(stage, department, { houses: Math.ceil(people / 4), entities: Math.ceil(people / 4) })
    : []
}

interface Started {
  readonly department: CanaryDepartment
  readonly api: RunningProcess
  readonly consumer: Consumer
  readonly datasets: readonly string[]
  readonly others: readonly PlannedFeed[]
  readonly log: SignedLog
}

/** Nobody of the play is kept from asking by how often it was asked. */
const manyQuestions = { REVEALS_PER_DAY: '100', PREVIEWS_PER_HOUR: '1000' } as const

async function startApi(stage: Stage, name: string): Promise<RunningProcess> {
  const api = await stage.start(name, [...start, 'api'], true, manyQuestions)
  stage.onClose(() => api.stop())
  return api
}

/** Department, feeds, consumers, platform and API; no worker yet. */
async function begin(stage: Stage, options: PlayOptions): Promise<Started> {
  const oldMonth = await writeOldMonth(stage)
  const department = await openDepartment(stage.book, Math.ceil(options.people / (options.everything ? 2 : 1)))
  stage.onClose(department.close)
  const others = await planOthers(stage, department, options)
  await addByCommand(stage, planResidents(department))
  await addFeeds(stage, others)
  const datasets = options.everything ? ['resident', 'housing', 'entity', 'person'] : ['resident']
  const consumer = await addConsumers(stage, datasets.join(','))
  await startPlatform(stage, consumer.webhookSecret)
  const log = await startSigning(stage, oldMonth)
  const api = await startApi(stage, 'api')
  return { department, api, consumer, datasets, others, log }
}

/** Residents once, delivered and pulled, and everybody at work: enough for a leak in the product itself to show. */
export async function playShort(stage: Stage, people: number): Promise<readonly string[]> {
  const { api, consumer, datasets, log } = await begin(stage, { people, everything: false })
  const worker = await startWorker(stage)
  await runResidents(stage)
  await awaitDelivery(stage)
  const faults = await playPeople(stage, { address: api.listening, consumer, log, isBreaking: false })
  await askEverything(stage, api.listening, consumer, datasets)
  captureEnvironment(stage, 'worker', worker.pid)
  return faults
}

/**
 * Plays the product with canaries in everything it is given: sources that are well and sources that fail, a worker that is
 * killed, a receiver that takes and one that refuses, people at work, questions and commands right and wrong, and what can break breaks.
 */
export async function play(stage: Stage, people: number): Promise<Omit<Played, 'opened'>> {
  const { department, api, consumer, datasets, others, log } = await begin(stage, { people, everything: true })
  const worker = await runThroughKill(stage, department)
  const faults = [...(await runAll(stage, others))]
  if (!(await awaitDelivery(stage))) faults.push('not everything was delivered')
  await playChanges(stage, department, worker)
  if (!(await awaitDelivery(stage))) faults.push('not every change was delivered')
  const pulled = await askEverything(stage, api.listening, consumer, datasets)
  await killWhileAsked(stage, await startApi(stage, 'killed api'), consumer)
  faults.push(...(await playPeople(stage, { address: api.listening, consumer, log, isBreaking: true })))
  await Promise.all([giveWrongCommands(stage), lookAround(stage)])
  captureEnvironment(stage, 'api', api.pid)
  return count(stage, pulled, faults)
}
