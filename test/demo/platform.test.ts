import { createHmac, hash, randomBytes } from 'node:crypto'
import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startDemo } from './process.ts'
import type { DemoProcess } from './process.ts'

const secretBytes = randomBytes(24)
const secret = `whsec_${secretBytes.toString('base64')}`
let directory: string
let platform: DemoProcess

const start = (...more: readonly string[]): Promise<DemoProcess> =>
  startDemo('platform/main.ts', ['--secret', secret, '--data', directory, ...more])

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gridbridge-platform-'))
  platform = await start()
})

afterEach(async () => {
  await platform.stop()
  await rm(directory, { recursive: true, force: true })
})

type Change = readonly [operation: 'upsert' | 'delete', id: string, version: number]

function toBody(changes: readonly Change[]): string {
  const list = changes.map(([operation, id, version]) => {
    return { operation, id, version, record: operation === 'upsert' ? { name: '张*' } : null }
  })
  return JSON.stringify({ type: 'dataset.changes', dataset: 'resident', changes: list })
}

/** The signature as the specification of Standard Webhooks says, made apart from the code under test. */
function sign(id: string, timestamp: string, body: string): string {
  return `v1,${createHmac('sha256', secretBytes).update(`${id}.${timestamp}.${body}`).digest('base64')}`
}

interface Sent {
  readonly status: number
  readonly body: unknown
}

async function send(id: string, body: string, age = 0, signature?: string): Promise<Sent> {
  const timestamp = String(Math.floor(Date.now() / 1000) - age)
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signature ?? `v1,AAAA ${sign(id, timestamp, body)}`,
  }
  const answer = await fetch(`${platform.url}/webhook`, { method: 'POST', headers, body })
  return { status: answer.status, body: await answer.json() }
}

async function readLedger(query = ''): Promise<unknown> {
  return (await fetch(`${platform.url}/ledger${query}`)).json()
}

test('a delivery is applied once and counted', async () => {
  const body = toBody([
    ['upsert', 'F/1', 1],
    ['upsert', 'F/2', 1],
    ['upsert', 'F/1', 2],
    ['delete', 'F/2', 2],
  ])
  expect(await send('d1', body)).toEqual({
    status: 200,
    body: { duplicate: false, id: 'd1', received: 4, digest: hash('sha256', body) },
  })
  expect(await readLedger()).toEqual({
    deliveries: 1,
    redeliveries: 0,
    conflicts: 0,
    badSignatures: 0,
    duplicateEffects: 0,
    datasets: {
      resident: { live: 1, deleted: 1, effects: 4, inserted: 2, updated: 1, removed: 1, stale: 0 },
    },
  })
})

test('the same delivery again is a redelivery, another body under its id a conflict', async () => {
  const body = toBody([['upsert', 'F/1', 1]])
  await send('d1', body)
  expect(await send('d1', body)).toEqual({
    status: 200,
    body: { duplicate: true, id: 'd1', received: 1, digest: hash('sha256', body) },
  })
  expect((await send('d1', toBody([['upsert', 'F/1', 2]]))).status).toBe(409)
  expect(await readLedger()).toMatchObject({ deliveries: 1, redeliveries: 1, conflicts: 1, duplicateEffects: 0 })
})

test('a change that was applied before is a duplicate effect under any delivery id, even when replaced since', async () => {
  await send(
    'd1',
    toBody([
      ['upsert', 'F/1', 1],
      ['upsert', 'F/1', 3],
    ]),
  )
  await send('d2', toBody([['upsert', 'F/1', 3]]))
  await send('d3', toBody([['upsert', 'F/1', 1]]))
  await send('d4', toBody([['upsert', 'F/1', 2]]))
  expect(await readLedger()).toMatchObject({ duplicateEffects: 2, datasets: { resident: { effects: 2, stale: 1 } } })
})

test('a wrong signature, an old timestamp and a foreign key are refused', async () => {
  const body = toBody([['upsert', 'F/1', 1]])
  expect((await send('d1', body, 0, 'v1,AAAA')).status).toBe(401)
  expect((await send('d1', body, 301)).status).toBe(401)
  expect((await send('d1', body, 0, sign('d2', '0', body))).status).toBe(401)
  expect((await send('d1', '{"type":"other"}')).status).toBe(422)
  expect(await readLedger()).toMatchObject({ deliveries: 0, badSignatures: 3, datasets: {} })
})

test('kill -9 loses nothing that was acknowledged, and a line cut off by it is dropped', async () => {
  for (const number of [1, 2, 3]) await send(`d${number}`, toBody([['upsert', `F/${number}`, 1]]))
  const before = await readLedger('?digest=1')
  await platform.stop('SIGKILL')
  await appendFile(join(directory, 'ledger.jsonl'), '{"kind":"delivery","id":"d4","dig')
  platform = await start()
  expect(await readLedger('?digest=1')).toEqual(before)
  await send('d4', toBody([['upsert', 'F/4', 1]]))
  await platform.stop('SIGKILL')
  platform = await start()
  expect(await readLedger()).toMatchObject({ deliveries: 4, datasets: { resident: { live: 4 } } })
})

test('deliveries of one id that arrive at once take effect once', async () => {
  const body = toBody([['upsert', 'F/1', 1]])
  const answers = await Promise.all(Array.from({ length: 8 }, () => send('d1', body)))
  expect(answers.every(({ status }) => status === 200)).toBe(true)
  expect(await readLedger()).toMatchObject({ deliveries: 1, redeliveries: 7, duplicateEffects: 0 })
})

test('it fails the first deliveries when told to', async () => {
  await platform.stop()
  platform = await start('--fail-first', '2', '--slow', '5')
  const body = toBody([['upsert', 'F/1', 1]])
  const answers = [await send('d1', body), await send('d1', body), await send('d1', body)]
  expect(answers.map(({ status }) => status)).toEqual([503, 503, 200])
})
