import { hash, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import pg from 'pg'
import { startPart, type Part } from '../demo/processes.ts'
import { makeAuditKey, verifyAudit } from '../src/audit-commands.ts'
import { EMPTY_HEAD, makeEntry } from '../src/audit/entry.ts'
import type { AuditEvent } from '../src/audit/events.ts'
import { loadConfig, type Config } from '../src/config.ts'
import { openInstallation } from '../src/installation.ts'
import { openDatabase } from '../src/store/database.ts'
import { median, round } from './figures.ts'

interface Appends {
  /** Appends in a second, each of one entry in a transaction of its own. */
  readonly rate: number
  readonly p50: number
  readonly p99: number
}

export interface AuditResult {
  readonly appends: Appends
  /** The same bytes by bare inserts, each a transaction of its own. */
  readonly floor: Appends
  readonly ofFloor: readonly number[]
  /** Seconds from an append to the first checkpoint that covers it, at 1,000 appends/s. */
  readonly signed: { readonly p50: number; readonly p99: number; readonly perSecond: number }
  readonly verified: { readonly entries: number; readonly perSecond: number }
}

const WRITERS = 32
const NAME = 'audit.example/bench/1'

/** What a pull writes down. */
const event: AuditEvent = {
  type: 'answer.unchanged',
  actor: 'consumer:grid-platform',
  outcome: 'ok',
  dataset: 'resident',
  agreement: 'agreement/12/3',
  purpose: 'LZ-QD-001',
  count: 500,
  outputDigest: hash('sha256', 'bench'),
}

const at = (sorted: readonly number[], part: number): number =>
  round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0)

/** Lets 32 writers do so many pieces of work between them, one after the other each. */
async function measure(count: number, work: (writer: number) => Promise<unknown>): Promise<Appends> {
  const times: number[] = []
  let left = count
  const write = async (writer: number): Promise<void> => {
    while (left-- > 0) {
      const startedAt = performance.now()
      await work(writer)
      times.push(performance.now() - startedAt)
    }
  }
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)))
  const seconds = (performance.now() - startedAt) / 1000
  const sorted = times.toSorted((one, other) => one - other)
  return { rate: Math.round(count / seconds), p50: at(sorted, 0.5), p99: at(sorted, 0.99) }
}

async function measureFloor(url: string, count: number): Promise<Appends> {
  const place = { entryId: randomUUID(), recordedAt: '2026-11-28T00:00:00.000000Z', laneId: randomUUID(), laneSeq: 1 }
  const { body, leaf } = makeEntry(event, { ...place, previous: EMPTY_HEAD })
  const clients = Array.from({ length: WRITERS }, () => new pg.Client({ connectionString: url }))
  await Promise.all(clients.map((client) => client.connect()))
  await clients[0]?.query(
    'drop table if exists floor; create table floor (id uuid primary key, body bytea, leaf bytea)',
  )
  const insert = { name: 'insert', text: 'insert into floor values ($1, $2, $3)' }
  const figure = await measure(count, (writer) =>
    (clients[writer] as pg.Client).query({ ...insert, values: [randomUUID(), body, leaf] }),
  )
  await Promise.all(clients.map((client) => client.end()))
  return figure
}

async function measureAppends(url: string, count: number): Promise<Appends> {
  const database = openDatabase({ url, processName: 'bench', connections: WRITERS })
  const append = () => database.transaction(({ audit }) => audit(event))
  await measure(WRITERS * 20, append)
  const figure = await measure(count, append)
  await database.close()
  return figure
}

const PACE = 1000

/** Appends at an even pace, whatever each takes. */
async function appendEvenly(url: string, seconds: number): Promise<number> {
  const database = openDatabase({ url, processName: 'bench', connections: WRITERS })
  const startedAt = performance.now()
  const pending = new Set<Promise<void>>()
  for (let done = 0; done < seconds * PACE; done++) {
    const early = startedAt + (done * 1000) / PACE - performance.now()
    if (early > 1) await wait(early)
    const one = database.transaction(({ audit }) => audit(event)).finally(() => pending.delete(one))
    pending.add(one)
  }
  await Promise.all(pending)
  const rate = (seconds * PACE * 1000) / (performance.now() - startedAt)
  await database.close()
  return Math.round(rate)
}

async function query<Row>(url: string, text: string, values: readonly unknown[] = []): Promise<Row | undefined> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query(text, [...values])
  await client.end()
  return rows[0] as Row | undefined
}

const UNSIGNED = `select (select count(*) from audit.entry) - (select coalesce(max(size), 0) from audit.checkpoint) as left`
const DELAYS = `
  select percentile_disc(0.5) within group (order by delay) as p50, percentile_disc(0.99) within group (order by delay) as p99
    from (select extract(epoch from (select min(signed_at) from audit.checkpoint where size > leaf_index) - recorded_at)::float8 as delay
            from audit.tree_leaf join audit.entry using (lane_id, lane_seq)
           where recorded_at > $1 and event_type = 'answer.unchanged') as delays`

async function untilSigned(url: string): Promise<void> {
  while (Number((await query<{ left: number }>(url, UNSIGNED))?.left) > 0) await wait(200)
}

/** The sequencer and the signer as an operator starts them. */
async function startSigning(data: string): Promise<readonly Part<object>[]> {
  const key = path.join(data, 'audit-key')
  const logs = path.join(data, 'logs')
  const environment = { GRIDBRIDGE_DATA: data }
  const part = (name: string, script: readonly string[]) =>
    startPart<object>({ name, logs, environment, announces: false, script: ['src/cli.ts', ...script] })
  const names = ['--key', key, '--signed', path.join(data, 'signed'), '--name', NAME]
  return [
    await part('sequencer', ['start', '--role', 'sequencer']),
    await part('signer', ['audit', 'sign', ...names, '--new-log', '--every', '1']),
  ]
}

async function measureSigning(config: Config, url: string, seconds: number): Promise<AuditResult['signed']> {
  const parts = await startSigning(config.dataDirectory)
  await untilSigned(url)
  const begun = await query<{ now: Date }>(url, 'select clock_timestamp() as now')
  const perSecond = await appendEvenly(url, seconds)
  await untilSigned(url)
  const delays = await query<{ p50: number; p99: number }>(url, DELAYS, [begun?.now])
  for (const part of parts) await part.stop()
  return { p50: round(delays?.p50 ?? 0), p99: round(delays?.p99 ?? 0), perSecond }
}

async function measureVerification(config: Config, verifier: string): Promise<AuditResult['verified']> {
  const startedAt = performance.now()
  const verdict = await verifyAudit(config, { verifier, checkpoints: [] })
  const seconds = (performance.now() - startedAt) / 1000
  if (verdict.state !== 'whole') throw new Error(`the log is ${verdict.state}: ${verdict.fault}`)
  const entries = 'leaves' in verdict ? verdict.leaves : verdict.entries
  return { entries, perSecond: Math.round(entries / seconds) }
}

/** The middle round of each. */
const middle = (rounds: readonly Appends[]): Appends => ({
  rate: median(rounds.map(({ rate }) => rate)),
  p50: median(rounds.map(({ p50 }) => p50)),
  p99: median(rounds.map(({ p99 }) => p99)),
})

/** How many single appends the audit log takes, how soon they are signed and how fast the whole log is verified. */
export async function benchAudit(records: number, rounds: number): Promise<AuditResult> {
  const data = mkdtempSync(path.join(tmpdir(), 'gridbridge-bench-'))
  const config = loadConfig({ GRIDBRIDGE_DATA: data })
  const installation = await openInstallation(config, 'bench', 2)
  try {
    const { verifier } = makeAuditKey(path.join(data, 'audit-key'), NAME)
    const measured: { readonly floor: Appends; readonly appends: Appends }[] = []
    for (let turn = 0; turn < rounds; turn++) {
      const floor = await measureFloor(installation.databaseUrl, records / 4)
      measured.push({ floor, appends: await measureAppends(installation.databaseUrl, records / 4) })
    }
    const signed = await measureSigning(config, installation.databaseUrl, 30)
    return {
      appends: middle(measured.map(({ appends }) => appends)),
      floor: middle(measured.map(({ floor }) => floor)),
      ofFloor: measured.map(({ appends, floor }) => round(appends.rate / floor.rate)),
      signed,
      verified: await measureVerification(config, verifier),
    }
  } finally {
    await installation.close()
    rmSync(data, { recursive: true, force: true })
  }
}
