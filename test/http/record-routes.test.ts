import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toEighteen } from '../../src/feeds/formats.ts'
import type { Feed } from '../../src/store/feeds.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, registerFeed, residentRows, storeRows, type RegisteredConsumer } from '../support/ledger.ts'
import { bearerOf, openDoor } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance
let feed: Feed
let copier: RegisteredConsumer
let tokens: Readonly<Record<'copier' | 'district' | 'asker', string>>

/** Numbers of people who do not exist, born in 1901 and 1903. */
const SOMEBODY_ELSE = toEighteen('510502010101003') ?? ''
const OFTEN = toEighteen('510502030303003') ?? ''

const ONE = { wg: { bm: '510502001001001' } }
const OTHER = { wg: { bm: '510503001001001' } }

beforeAll(async () => {
  installation = await openTestInstallation('records')
  server = await openDoor(installation)
  feed = await registerFeed(installation, 'LZ-GA-RK-001')
  await storeRows(installation, feed, [
    ...residentRows(1, 3, ONE),
    ...residentRows(4, 4, { ...OTHER, zjhm: SOMEBODY_ELSE }),
    ...residentRows(5, 5, ONE),
  ])
  await storeRows(installation, feed, residentRows(5, 5, { scbz: '1' }))
  copier = await registerConsumer(installation, 'grid-platform')
  const district = await registerConsumer(installation, 'district', { area: ['510502'] })
  const asker = await registerConsumer(installation, 'asker', { method: 'query', area: ['510502'] })
  tokens = {
    copier: await bearerOf(server, copier),
    district: await bearerOf(server, district),
    asker: await bearerOf(server, asker),
  }
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

type Who = keyof typeof tokens

const get = (who: Who, path: string, headers: Readonly<Record<string, string>> = {}) =>
  server.inject({ url: `/api/v1/datasets/${path}`, headers: { authorization: tokens[who], ...headers } })

const ask = (who: Who, payload: unknown, dataset = 'resident') =>
  server.inject({
    method: 'POST',
    url: `/api/v1/datasets/${dataset}/queries`,
    headers: { authorization: tokens[who], 'content-type': 'application/json' },
    payload: JSON.stringify(payload),
  })

interface Entry {
  readonly type: string
  readonly count: number | null
  readonly body: {
    readonly object?: string
    readonly outputDigest?: string
    readonly details?: Readonly<Record<string, unknown>>
  }
}

async function lastEntry(actor: string): Promise<Entry> {
  const [entry] = await installation.asOwner<Entry>(
    `select event_type as type, count, convert_from(body, 'UTF8')::jsonb as body from audit.entry
      where actor = $1 order by recorded_at desc limit 1`,
    [`consumer:${actor}`],
  )
  if (entry === undefined) throw new Error('wanted an entry')
  return entry
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

describe('one record', () => {
  test('is answered as it is granted, with the digest of the bytes and a token of the record in the audit log', async () => {
    const response = await get('copier', 'resident/records/LZ-GA-RK-001/R-1')
    expect([response.statusCode, response.headers['cache-control']]).toEqual([200, 'no-store'])
    expect(response.json()).toEqual({
      operation: 'upsert',
      id: 'LZ-GA-RK-001/R-1',
      version: 1,
      changedAt: expect.any(String) as string,
      record: { name: '张**', gridCode: '510502001001001' },
    })
    const { type, count, body } = await lastEntry('grid-platform')
    expect([type, count, body.outputDigest]).toEqual(['record.read', 1, sha256(response.body)])
    expect(body.object).toMatch(/^record\/[\da-f]{32}$/)
    expect(body.details?.['person']).toMatch(/^person\/[\da-f]{32}$/)
    expect(JSON.stringify(body)).not.toContain('R-1')
  })

  test('that is unknown, deleted or outside the area is refused alike, with an entry of the same kind', async () => {
    const answers = []
    for (const path of [
      'LZ-GA-RK-001/R-99',
      'LZ-GA-RK-001/R-5',
      'LZ-GA-RK-001/R-4',
      'LZ-MZ-XX-009/R-1',
      'GB-PERSON-001/R-1',
    ]) {
      const { statusCode, body, headers } = await get('district', `resident/records/${path}`)
      const { date: _date, ...others } = headers
      answers.push({ statusCode, body, others })
      const { type, count, body: entry } = await lastEntry('district')
      expect([type, count, Object.keys(entry.details ?? {})]).toEqual(['record.read', 0, []])
    }
    expect(answers[0]?.statusCode).toBe(404)
    expect(answers[0]?.body).toContain('RECORD_UNKNOWN')
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
    expect((await get('copier', 'resident/records/LZ-GA-RK-001/R-4')).statusCode).toBe(200)
  })

  test('of a register that may not be copied is not read without a reason', async () => {
    const response = await get('asker', 'resident/records/LZ-GA-RK-001/R-1')
    expect([response.statusCode, response.json<{ code: string }>().code]).toEqual([403, 'QUERY_ONLY'])
    expect((await lastEntry('asker')).type).toBe('access.denied')
  })

  test.each([
    'resident/records/LZ-GA-RK-001/%00',
    'resident/records/lz/R-1',
    'resident/records/LZ-GA-RK-001/a%2Fb',
    'resident/records/LZ-GA-RK-001/R-1?x=1',
  ])('an address that fits no record is refused: %s', async (path) => {
    const response = await get('copier', path)
    expect([400, 404]).toContain(response.statusCode)
    expect(response.headers['content-type']).toMatch('application/problem+json')
  })
})

describe('a query', () => {
  const reason = '走访核实居住情况'
  const caseNumber = '泸江网格〔2026〕0012号'
  const subject = { certType: '111', certNumber: '510502190001010017' }

  test('finds the records of a person inside the area, however the number is written', async () => {
    for (const certNumber of [
      '510502190001010017',
      ' ５１０５０２１９０００１０１００１７',
      "'510502190001010017",
      '510502000101001',
    ]) {
      const response = await ask('asker', { subject: { ...subject, certNumber }, reason, caseNumber })
      expect(response.statusCode).toBe(200)
      const { records } = response.json<{ records: readonly { id: string; record: unknown }[] }>()
      expect(records.map(({ id }) => id).toSorted()).toEqual(['R-1', 'R-2', 'R-3'].map((id) => `LZ-GA-RK-001/${id}`))
      expect(records[0]?.record).toEqual({ name: '张**', gridCode: '510502001001001' })
    }
  })

  test('finds the same under the temporary card, and under another type nothing', async () => {
    const found = async (certType: string) =>
      (await ask('asker', { subject: { ...subject, certType }, reason, caseNumber })).json<{ records: unknown[] }>()
        .records.length
    expect([await found('112'), await found('414')]).toEqual([3, 0])
  })

  test('is written down with person, reason and case, and without the number', async () => {
    const response = await ask('asker', { subject, reason, caseNumber })
    const { type, count, body } = await lastEntry('asker')
    expect([type, count, body.outputDigest]).toEqual(['record.queried', 3, sha256(response.body)])
    const person = body.object
    expect(person).toMatch(/^person\/[\da-f]{32}$/)
    expect(body.details).toEqual({ reason, caseNumber, person })
    expect(JSON.stringify(body)).not.toMatch(/5105021900|010017/)
    await get('copier', 'resident/records/LZ-GA-RK-001/R-1')
    expect((await lastEntry('grid-platform')).body.details?.['person']).toBe(person)
  })

  test('for somebody who is nowhere, outside the area or deleted is answered with nothing, and audited the same way', async () => {
    const answers = []
    for (const asked of [
      { subject: { certType: '111', certNumber: '510502190202020028' } },
      { subject: { certType: '111', certNumber: SOMEBODY_ELSE } },
      { id: 'LZ-GA-RK-001/R-4' },
      { id: 'LZ-GA-RK-001/R-5' },
      { id: 'LZ-GA-RK-001/R-99' },
    ]) {
      const { statusCode, body } = await ask('asker', { ...asked, reason, caseNumber })
      answers.push([statusCode, body])
      const entry = await lastEntry('asker')
      expect([entry.type, entry.count, entry.body.details]).toEqual(['record.queried', 0, { reason, caseNumber }])
    }
    expect(answers).toEqual(answers.map(() => [200, '{"records":[]}']))
  })

  test('can name one record by its id', async () => {
    const response = await ask('asker', { id: 'LZ-GA-RK-001/R-2', reason, caseNumber })
    expect(response.json<{ records: readonly { id: string }[] }>().records.map(({ id }) => id)).toEqual([
      'LZ-GA-RK-001/R-2',
    ])
    expect((await lastEntry('asker')).body.object).toMatch(/^record\//)
  })

  test('works under an agreement that allows copies too, and holds 20 records at most', async () => {
    const many = await registerFeed(installation, 'LZ-GA-RK-077')
    await storeRows(installation, many, residentRows(1, 25, { ...ONE, zjhm: OFTEN }))
    const response = await ask('copier', {
      subject: { certType: '111', certNumber: OFTEN },
      reason,
      caseNumber,
    })
    expect(response.json<{ records: unknown[] }>().records).toHaveLength(20)
  })

  test.each([
    ['no reason', { subject, caseNumber }],
    ['a reason that is too short', { subject, reason: '查一下', caseNumber }],
    ['a reason of blanks', { subject, reason: '        ', caseNumber }],
    ['a reason with a citizen number', { subject, reason: '核实 510502190001010017 的住址', caseNumber }],
    ['a reason with a mobile number in groups', { subject, reason: '核实电话 199 0000 0001', caseNumber }],
    ['a reason with a number in full width', { subject, reason: '核实电话１９９００００００１１', caseNumber }],
    ['no case', { subject, reason }],
    ['a number of a person as the case', { subject, reason, caseNumber: '510502190001010017' }],
    ['person and record', { subject, id: 'LZ-GA-RK-001/R-1', reason, caseNumber }],
    ['neither', { reason, caseNumber }],
    ['a word too much', { subject, reason, caseNumber, limit: 1000 }],
    ['a number that is an object', { subject: { certType: '111', certNumber: { $ne: '' } }, reason, caseNumber }],
    ['a name that is no id', { id: '../../R-1', reason, caseNumber }],
  ])('with %s is refused, and nothing of it is repeated', async (_what, payload) => {
    const response = await ask('asker', payload)
    expect([response.statusCode, response.json<{ code: string }>().code]).toEqual([400, 'REQUEST_INVALID'])
    expect(response.body).not.toMatch(/5105021900|199 ?0000|核实/)
  })

  test('about persons of a dataset that names none is refused', async () => {
    await registerConsumer(installation, 'grids', { dataset: 'grid', forms: { gridName: 'mask' } })
    tokens = { ...tokens, district: await bearerOf(server, { name: 'grids', clientSecret: 'secret-of-grids' }) }
    const response = await ask('district', { subject, reason, caseNumber }, 'grid')
    expect([response.statusCode, response.json<{ code: string }>().code]).toEqual([400, 'REQUEST_INVALID'])
  })

  test('that finds nothing counts as one, so that numbers cannot be tried all day', async () => {
    const prober = await registerConsumer(installation, 'prober', { method: 'query', recordsPerDay: 3 })
    const authorization = await bearerOf(server, prober)
    const probe = async (number: number) => {
      const certNumber = `51050219000101${String(number).padStart(4, '0')}`
      const response = await server.inject({
        method: 'POST',
        url: '/api/v1/datasets/resident/queries',
        headers: { authorization, 'content-type': 'application/json' },
        payload: JSON.stringify({ subject: { certType: '111', certNumber }, reason, caseNumber }),
      })
      return response.statusCode
    }
    expect([await probe(1), await probe(2), await probe(3), await probe(4)]).toEqual([200, 200, 200, 429])
  })
})

describe('a register that may not be copied', () => {
  test.each(['changes', 'snapshot', 'reconciliation'])('answers no %s', async (what) => {
    const response = await get('asker', `resident/${what}`)
    expect([response.statusCode, response.json<{ code: string }>().code]).toEqual([403, 'QUERY_ONLY'])
  })
})
