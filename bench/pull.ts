import path from 'node:path'
import pg from 'pg'
import { Pool } from 'undici'
import { startPart } from '../demo/processes.ts'
import { addConsumer } from '../src/commands.ts'
import { loadConfig } from '../src/config.ts'
import { publishItem } from '../src/item-commands.ts'
import { median, round } from './figures.ts'
import type { ConsumerAnswer, ConsumerTask } from './pull-consumer.ts'
import { PAGE, pullPage, type Consumer } from './pull-page.ts'
import { ITEM } from './service-item.ts'
import { openBenchStage, runScript, script, type BenchStage } from './stage.ts'

/** Requests of one second, and for how many seconds, while answers are timed. */
const ARRIVALS = 50
const ARRIVAL_SECONDS = 20
/** For so many seconds before, requests come at the same rate and are not timed: the first ones open connections. */
const RAMP_SECONDS = 5

export interface PullResult {
  /** Records per second of one consumer that pulls everything, median of the rounds: masked, audited, over HTTP. */
  readonly rate: number
  /** Records per second of the floor: the bare ordered select of the same pages by the same client library, nothing else. */
  readonly floorRate: number
  readonly ratio: number
  /** Of answers that are asked for at 50 a second, from the moment at which each was due. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of bare commits of one small row, as often, at the same time, by the same client. */
  readonly commitP99Ms: number
  readonly refused: number
  readonly pageBytes: number
  readonly rounds: readonly { readonly rate: number; readonly floorRate: number }[]
}

/** The product as consumers see it, and one consumer of it. */
interface Door extends Consumer {
  readonly origin: string
  readonly close: () => Promise<void>
}

async function openDoor(stage: BenchStage): Promise<Door> {
  const environment = { GRIDBRIDGE_DATA: stage.directory, PORT: '0', LOG_LEVEL: 'warn' }
  const config = loadConfig(environment)
  await publishItem(config, ITEM)
  const terms = { datasets: ['resident'], purpose: ITEM.code, profile: 'P1_OPERATOR', webhook: null, days: 1 }
  const { clientSecret } = await addConsumer(config, 'platform', terms)
  const api = await startPart<{ listening: string }>({
    name: 'api',
    logs: path.join(stage.directory, 'logs'),
    script: ['src/cli.ts', 'start', '--role', 'api'],
    environment,
  })
  const pool = new Pool(api.facts.listening, { connections: 16 })
  const { body } = await pool.request({
    method: 'POST',
    path: '/oauth/token',
    headers: {
      authorization: `Basic ${Buffer.from(`platform:${clientSecret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: 'grant_type=client_credentials',
  })
  const { access_token: token } = (await body.json()) as { readonly access_token: string }
  const close = async (): Promise<void> => {
    await pool.close()
    await api.stop()
  }
  return { origin: api.facts.listening, pool, authorization: `Bearer ${token}`, close }
}

interface Measured {
  readonly seconds: number
  readonly cursors: readonly string[]
  readonly pageBytes: number
}

async function pullAll(door: Door): Promise<Measured> {
  const startedAt = performance.now()
  const cursors = ['']
  let bytes = 0
  for (;;) {
    const page = await pullPage(door, cursors.at(-1) ?? '')
    bytes += page.bytes
    if (!page.hasMore) break
    cursors.push(page.cursor)
  }
  const seconds = (performance.now() - startedAt) / 1000
  return { seconds, cursors, pageBytes: Math.round(bytes / cursors.length) }
}

interface Place {
  readonly tx: string
  readonly seq: number
}

/** The places after which the pages begin. */
async function readPlaces(client: pg.Client): Promise<readonly Place[]> {
  const { rows } = await client.query<Place>(
    `select tx, seq from (
       select change_tx::text as tx, change_seq as seq, row_number() over (order by change_tx, change_seq) as place
         from gridbridge.record where dataset_id = (select dataset_id from gridbridge.dataset where name = 'resident')) as placed
      where place % ${PAGE} = 0 order by place`,
  )
  return [{ tx: '0', seq: 0 }, ...rows]
}

async function readAll(client: pg.Client, places: readonly Place[], records: number): Promise<number> {
  const { rows: found } = await client.query<{ id: number }>(
    `select dataset_id as id from gridbridge.dataset where name = 'resident'`,
  )
  const startedAt = performance.now()
  let seen = 0
  for (const { tx, seq } of places) {
    const { rows } = await client.query(
      `select source_record_id, version, masked from gridbridge.record
        where dataset_id = $1 and (change_tx, change_seq) > ($2::xid8, $3) order by change_tx, change_seq limit ${PAGE}`,
      [found[0]?.id, tx, seq],
    )
    seen += rows.length
  }
  if (seen !== records) throw new Error(`the floor read ${seen} of ${records} records`)
  return (performance.now() - startedAt) / 1000
}

const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((one, other) => one - other)[Math.ceil(values.length * share) - 1] ?? 0

type Round = PullResult['rounds'][number]

async function playRounds(door: Door, client: pg.Client, records: number, rounds: number): Promise<readonly Round[]> {
  const places = await readPlaces(client)
  const measured: Round[] = []
  for (let turn = 0; turn < rounds; turn++) {
    const floorSeconds = await readAll(client, places, records)
    const { seconds } = await pullAll(door)
    measured.push({ rate: Math.round(records / seconds), floorRate: Math.round(records / floorSeconds) })
  }
  return measured
}

async function measure(door: Door, client: pg.Client, stage: BenchStage, rounds: number): Promise<PullResult> {
  const { records, databaseUrl } = stage
  const { cursors, pageBytes } = await pullAll(door)
  const measured = await playRounds(door, client, records, rounds)
  const { origin, authorization } = door
  const arrivals = { perSecond: ARRIVALS, rampSeconds: RAMP_SECONDS, seconds: ARRIVAL_SECONDS }
  const task: ConsumerTask = { origin, authorization, databaseUrl, cursors, ...arrivals }
  const { answers, floor, refused } = (await runScript([script('pull-consumer.ts')], task)) as ConsumerAnswer
  return {
    rate: median(measured.map(({ rate }) => rate)),
    floorRate: median(measured.map(({ floorRate }) => floorRate)),
    ratio: round(median(measured.map(({ rate, floorRate }) => rate / floorRate))),
    p50Ms: round(percentile(answers, 0.5)),
    p99Ms: round(percentile(answers, 0.99)),
    commitP99Ms: round(percentile(floor, 0.99)),
    refused,
    pageBytes,
    rounds: measured,
  }
}

/**
 * Pull against its floor, alternating, in one run on one machine; then the time of an answer at a steady rate of requests. The client asks
 * for plain bytes, as the floor gets them.
 */
export async function benchPull(records: number, rounds: number): Promise<PullResult> {
  const stage = await openBenchStage(records)
  try {
    await stage.empty()
    await stage.load('product', stage.http)
    const client = new pg.Client({ connectionString: stage.databaseUrl })
    await client.connect()
    await client.query('vacuum analyze gridbridge.record')
    // What loading left to be written is not what answers should wait for.
    await client.query('checkpoint')
    const door = await openDoor(stage)
    try {
      return await measure(door, client, stage, rounds)
    } finally {
      await door.close()
      await client.end()
    }
  } finally {
    await stage.close()
  }
}
