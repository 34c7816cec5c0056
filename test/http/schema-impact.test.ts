import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, registerFeed, residentRows, storeRows } from '../support/ledger.ts'
import { employAll, type Office } from '../support/office.ts'
import { openDoor } from './door.ts'

const FEED = 'LZ-GA-RK-301'
const RETIRED = 'LZ-GA-RK-302'

let installation: TestInstallation
let server: FastifyInstance
let office: Office

beforeAll(async () => {
  installation = await openTestInstallation('schema-impact')
  server = await openDoor(installation)
  office = await employAll(installation, await server.listen({ port: 0, host: '127.0.0.1' }))
  const feed = await registerFeed(installation, FEED)
  await storeRows(installation, feed, [...residentRows(1, 9), ...residentRows(10, 12, { hyzk: '10' })])
  const retired = await registerFeed(installation, RETIRED)
  await installation.asOwner(`update gridbridge.feed_version set state = 'retired' where feed_id = $1`, [
    retired.feedId,
  ])
  await registerConsumer(installation, 'grid-platform', { forms: { name: 'mask', phone: 'mask', sex: 'omit' } })
  await registerConsumer(installation, 'counting-house', { forms: { residenceSince: 'mask' } })
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

type Json = Readonly<Record<string, unknown>>
interface Schema extends Json {
  readonly required: readonly string[]
  readonly properties: Readonly<Record<string, Json>>
  readonly 'x-gb-person': Readonly<Record<string, string>>
}

const current = (): Schema => structuredClone(installation.datasets.get('resident')?.schema) as Schema
const without = <Value>(members: Readonly<Record<string, Value>>, name: string): Readonly<Record<string, Value>> =>
  Object.fromEntries(Object.entries(members).filter(([key]) => key !== name))

/** The schema in use with other properties, as its next version. */
function propose(change: (schema: Schema) => Partial<Schema>): Schema {
  const schema = current()
  return { ...schema, 'x-gb-version': 2, ...change(schema) }
}
const changing = (name: string, members: Json): Schema =>
  propose(({ properties }) => ({ properties: { ...properties, [name]: { ...properties[name], ...members } } }))

const ask = (schema: unknown, who: keyof Office = 'engineer', dataset = 'resident') =>
  office[who].post(`/api/v1/datasets/${dataset}/impact`, { schema })

describe('what a new version of a dataset schema means', () => {
  test('nothing where nothing differs', async () => {
    const { status, body } = await ask(current())
    expect([status, body]).toEqual([
      200,
      { dataset: 'resident', from: 1, to: 1, records: 12, changed: [], feeds: [], consumers: [] },
    ])
  })

  test('a property that is gone: who maps it, who is granted it, how many records hold it', async () => {
    const { body } = await ask(
      propose((schema) => ({
        properties: without(schema.properties, 'phone'),
        'x-gb-person': without(schema['x-gb-person'], 'phone'),
      })),
    )
    expect(body.to).toBe(2)
    expect(body.changed).toEqual([{ name: 'phone', changes: ['dropped'], records: 12 }])
    expect(body.feeds).toEqual([
      {
        code: FEED,
        department: 'public-security',
        version: 1,
        state: 'active',
        records: 12,
        dropped: ['phone'],
        retyped: [],
        required: [],
        unmapped: [],
        faults: [expect.stringMatching(/^\/map\/\d+\/to: given "\/phone"/)],
      },
    ])
    expect(body.consumers).toMatchObject([
      { consumer: 'grid-platform', purpose: 'LZ-QD-001', dropped: ['phone'], reclassified: [] },
    ])
  })

  test('a property of another code table, class and mask', async () => {
    const { body } = await ask(
      changing('residenceSince', { format: undefined, 'x-gb-codes': 'education', 'x-gb-level': 'L3' }),
    )
    expect(body.changed).toEqual([{ name: 'residenceSince', changes: ['retyped', 'reclassified'], records: 12 }])
    expect(body.feeds).toMatchObject([{ code: FEED, retyped: ['residenceSince'], dropped: [] }])
    expect(body.consumers).toMatchObject([
      { consumer: 'counting-house', retyped: ['residenceSince'], reclassified: ['residenceSince'] },
    ])
    const masked = await ask(changing('name', { 'x-gb-mask': 'NAME_MIDDLE' }))
    expect(masked.body.changed).toEqual([{ name: 'name', changes: ['remasked'], records: 12 }])
    expect([masked.body.feeds, masked.body.consumers]).toMatchObject([[], [{ remasked: ['name'] }]])
  })

  test('a property that is newly required: mapped ones and those that nobody maps', async () => {
    const { body } = await ask(
      propose(({ required, properties }) => ({
        required: [...required, 'phone', 'bloodType'],
        properties: {
          ...properties,
          bloodType: { ...properties['sex'], title: '血型', 'x-gb-title-en': 'Blood type' },
        },
      })),
    )
    expect(body.changed).toEqual([
      { name: 'phone', changes: ['required'], records: 12 },
      { name: 'bloodType', changes: ['added', 'required'], records: 0 },
    ])
    expect(body.feeds).toMatchObject([
      { code: FEED, required: ['phone'], unmapped: ['bloodType'], faults: [expect.stringContaining('/bloodType')] },
    ])
    expect(body.consumers).toEqual([])
  })
})

describe('a proposal that is no schema of the dataset', () => {
  test.each<readonly [string, () => unknown, RegExp]>([
    [
      'a property without a class',
      () => changing('sex', { 'x-gb-class': undefined }),
      /#\/properties\/sex\/x-gb-class: wanted/,
    ],
    [
      'an identifier in clear',
      () => changing('name', { 'x-gb-mask': 'NONE' }),
      /\/properties\/name\/x-gb-mask: wanted a rule that hides/,
    ],
    [
      'the schema of another dataset',
      () => ({ ...current(), 'x-gb-dataset': 'housing' }),
      /\/x-gb-dataset: wanted "resident"/,
    ],
    [
      'a part of a person that is gone',
      () => propose(({ properties }) => ({ properties: without(properties, 'phone') })),
      /x-gb-person/,
    ],
    [
      'a reference into the network',
      () => changing('sex', { $ref: 'http://10.1.2.3/schema.json' }),
      /resident\.schema\.json#/,
    ],
    ['an empty object', () => ({}), /\/properties: wanted an object of properties/],
  ])('%s is refused with its place', async (_what, proposal, telling) => {
    const begun = performance.now()
    const { status, body } = await ask(proposal())
    expect([status, body.code, body.detail]).toEqual([422, 'SCHEMA_INVALID', expect.stringMatching(telling)])
    expect(performance.now() - begun).toBeLessThan(1000)
  })

  test('a schema of a thousand properties and one of many levels are refused at once', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 1000 }, (_, at) => [`p${at}`, { ...current().properties['sex'] }]),
    )
    let deep: Json = {}
    for (let level = 0; level < 40; level++) deep = { not: deep }
    for (const proposal of [propose(({ properties }) => ({ properties: { ...properties, ...many } })), { deep }]) {
      const begun = performance.now()
      expect((await ask(proposal)).body.code).toMatch(/^(SCHEMA|REQUEST)_INVALID$/)
      expect(performance.now() - begun).toBeLessThan(1000)
    }
  })
})

test('it is asked by the roles of the whole city, about datasets that there are', async () => {
  for (const who of ['officer', 'auditor'] as const) expect((await ask(current(), who)).status).toBe(200)
  for (const who of ['editor', 'reviewer'] as const) expect((await ask(current(), who)).body.code).toBe('FORBIDDEN')
  const unknown = await ask(current(), 'engineer', 'weather')
  expect([unknown.status, unknown.body.code]).toEqual([400, 'REQUEST_INVALID'])
})
