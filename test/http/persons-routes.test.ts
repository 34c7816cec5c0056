import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerAccount, registerConsumer } from '../support/ledger.ts'
import { createDeathRow, createPerson, forgetPeople, numbers, openPeople, type People } from '../support/people.ts'
import type { RegisteredAccount } from '../support/sign-in.ts'
import { bearerOf, openDoor, type Client } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance
let people: People
const clients: Record<string, Client | RegisteredAccount> = {}

beforeAll(async () => {
  installation = await openTestInstallation('persons-api')
  server = await openDoor(installation)
  people = await openPeople(installation)
  clients['civil'] = await registerAccount(installation, 'civil-reviewer', 'department-reviewer', 'civil-affairs')
  clients['editor'] = await registerAccount(installation, 'civil-editor', 'department-editor', 'civil-affairs')
  clients['police'] = await registerAccount(installation, 'police-reviewer', 'department-reviewer', 'public-security')
  clients['other'] = await registerAccount(
    installation,
    'other-reviewer',
    'department-reviewer',
    'emergency-management',
  )
  clients['auditor'] = await registerAccount(installation, 'auditor-one', 'audit-administrator')
  clients['consumer'] = await registerConsumer(installation, 'grid-platform')
})
afterAll(async () => {
  await server.close()
  await installation.close()
})
beforeEach(() => forgetPeople(installation))

async function ask(who: string, url: string, payload?: object) {
  const client = clients[who]
  if (client === undefined) throw new Error(`wanted one of ${Object.keys(clients).join(', ')}`)
  const headers = { authorization: await bearerOf(server, client) }
  const response = await server.inject({
    method: payload === undefined ? 'GET' : 'POST',
    url,
    headers,
    ...(payload && { payload }),
  })
  return { status: response.statusCode, body: response.json<Readonly<Record<string, unknown>>>(), text: response.body }
}

const conflicts = (who: string, query = '') => ask(who, `/api/v1/persons/conflicts${query}`)
const lastEntry = async (type: string) => {
  const [entry] = await installation.asOwner<{ body: Buffer }>(
    'select body from audit.entry where event_type = $1 order by recorded_at desc limit 1',
    [type],
  )
  return JSON.parse(String(entry?.body ?? 'null')) as unknown
}

describe('contradictions', () => {
  beforeEach(async () => {
    await people.store(people.police, createPerson({ xm: '李样例' }))
    await people.store(people.civil, createDeathRow())
    await people.merge()
  })

  test('a department sees the masked values of its own records, and of others that there is one', async () => {
    const { status, body, text } = await conflicts('civil')
    expect(status).toBe(200)
    const ours = { feed: 'LZ-MZ-SW-001', department: 'civil-affairs', recordId: 'D-1' }
    const theirs = { feed: 'LZ-GA-RK-001', department: 'public-security', recordId: null, value: null }
    expect(body).toMatchObject({
      cursor: null,
      conflicts: [
        {
          field: 'lifeStatus',
          rule: 'DQ-071',
          decidedBy: 'authority',
          sides: [[{ ...ours, value: 'DECEASED' }], [theirs]],
        },
        { field: 'name', rule: 'DQ-072', sides: [[theirs], [{ ...ours, value: '张**' }]] },
      ],
    })
    expect(text).not.toMatch(/张测试|李/)
    expect(await lastEntry('conflicts.read')).toMatchObject({ actor: 'account:civil-reviewer', count: 2 })
  })

  test('a role of the whole city sees who contradicts whom, and no value and no record', async () => {
    const { body, text } = await conflicts('auditor')
    expect(body['conflicts']).toHaveLength(2)
    expect(text).not.toMatch(/DECEASED|张|李|D-1|R-1/)
    expect((await conflicts('auditor', '?department=emergency-management')).body['conflicts']).toEqual([])
  })

  test('come page by page', async () => {
    const first = await conflicts('police', '?limit=1')
    expect(first.body['conflicts']).toMatchObject([{ field: 'lifeStatus' }])
    const second = await conflicts('police', `?limit=1&cursor=${String(first.body['cursor'])}`)
    expect(second.body['conflicts']).toMatchObject([{ field: 'name' }])
    const third = await conflicts('police', `?limit=1&cursor=${String(second.body['cursor'])}`)
    expect(third.body).toEqual({ conflicts: [], cursor: null })
    expect((await conflicts('police', '?cursor=AAAA')).body['code']).toBe('CURSOR_INVALID')
  })

  test("are nobody else's to see", async () => {
    expect((await conflicts('other')).body['conflicts']).toEqual([])
    expect((await conflicts('other', '?department=civil-affairs')).body['code']).toBe('FORBIDDEN')
    expect((await conflicts('consumer')).body['code']).toBe('TOKEN_INVALID')
  })
})

describe('links', () => {
  const link = { feed: 'LZ-MZ-SW-001', recordId: 'D-1', decision: 'part', reason: 'number-mistyped' }
  const alive = async () => (await people.persons()).filter(({ masked }) => masked !== null)
  beforeEach(async () => {
    await people.store(people.police, createPerson())
    await people.store(people.civil, createDeathRow())
    await people.merge()
  })

  test('a reviewer parts a record of their department and joins it again; the persons follow', async () => {
    expect(await alive()).toHaveLength(1)
    const { status, body } = await ask('civil', '/api/v1/persons/links', link)
    expect([status, body]).toEqual([200, { decision: expect.any(Number) as number }])
    await people.merge()
    expect(await alive()).toHaveLength(2)
    expect(await lastEntry('person.parted')).toMatchObject({
      actor: 'account:civil-reviewer',
      feed: 'LZ-MZ-SW-001',
      object: `link-decision/${String(body['decision'])}`,
      details: { reason: 'number-mistyped' },
    })
    await ask('civil', '/api/v1/persons/links', { ...link, decision: 'join', reason: 'decided-wrongly' })
    await people.merge()
    expect(await alive()).toHaveLength(1)
  })

  test.each([
    ['another department', 'police', {}, 'FORBIDDEN'],
    ['who is no reviewer', 'editor', {}, 'FORBIDDEN'],
    ['a consumer', 'consumer', {}, 'TOKEN_INVALID'],
    ['an unknown record', 'civil', { recordId: 'D-404' }, 'RECORD_UNKNOWN'],
    ['an unknown feed', 'civil', { feed: 'LZ-MZ-XX-001' }, 'FEED_UNKNOWN'],
    ['the merged person itself', 'civil', { feed: 'GB-PERSON-001' }, 'FEED_UNKNOWN'],
    ['a reason in words', 'civil', { reason: `the number is ${numbers[0]}` }, 'REQUEST_INVALID'],
    ['an unknown verdict', 'civil', { decision: 'forget' }, 'REQUEST_INVALID'],
  ])('%s is refused', async (_, who, change, code) => {
    const { body, text } = await ask(who, '/api/v1/persons/links', { ...link, ...change })
    expect(body['code']).toBe(code)
    expect(text).not.toContain(numbers[0])
    expect(await installation.asOwner('select * from gridbridge.link_decision')).toEqual([])
  })
})
