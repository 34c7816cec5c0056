import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { auditBeforeAnswer } from '../../src/store/audit-log.ts'
import { savePage } from '../../src/store/save-page.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { beginRun, makePage, registerConsumer, registerFeed, residentRows, storeRows } from '../support/ledger.ts'
import { employ, employAll, type Answer, type Office, type Person } from '../support/office.ts'
import { bearerOf, openDoor } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance
let office: Office
let second: Person
let colleague: Person
let neighbour: Person
let bearer = ''

beforeAll(async () => {
  installation = await openTestInstallation('api')
  server = await openDoor(installation)
  const url = await server.listen({ port: 0, host: '127.0.0.1' })
  office = await employAll(installation, url)
  second = await employ(installation, url, 'officer-2', 'security-administrator')
  colleague = await employ(installation, url, 'ga-reviewer-2', 'department-reviewer', 'public-security')
  neighbour = await employ(installation, url, 'mz-reviewer', 'department-reviewer', 'civil-affairs')
  await storeRows(installation, await registerFeed(installation, 'LZ-GA-RK-001'), residentRows(1, 3))
  const consumer = await registerConsumer(installation, 'platform')
  bearer = await bearerOf(server, { name: 'platform', clientSecret: consumer.clientSecret })
})
afterAll(async () => {
  await server.close()
  await installation.close()
})
beforeEach(() =>
  installation.asOwner(
    `update gridbridge.freeze_order set lifted_by = $1, lifted_at = now(), lift_reason = '测试'
    where lifted_at is null and frozen_by <> $1`,
    [second.accountId],
  ),
)

const pull = async () => {
  const answer = await server.inject({ url: '/api/v1/datasets/resident/changes', headers: { authorization: bearer } })
  return [answer.statusCode, answer.json<{ code?: string }>().code, answer.headers['retry-after']]
}
const brief = ({ status, body }: Answer) => [status, body.code ?? body.scope]
const reason = '疑似数据泄露，先行冻结'
const freeze = (body: object, person = office.officer): Promise<Answer> =>
  person.post('/api/v1/freezes', { reason, ...body })
const lift = (freezeId: number, person: Person): Promise<Answer> =>
  person.post(`/api/v1/freezes/${freezeId}/lift`, { reason: '险情解除' })
const frozen = [503, 'FROZEN', '30']
const served = [200, undefined, undefined]

test.each([
  [{ scope: 'everything' }],
  [{ scope: 'dataset', name: 'resident' }],
  [{ scope: 'consumer', name: 'platform' }],
  [{ scope: 'feed', name: 'LZ-GA-RK-001' }],
  [{ scope: 'department', name: 'public-security' }],
])('what is frozen by %o is not answered until a second person lifts it', async (body) => {
  expect(await pull()).toEqual(served)
  const set = await freeze(body)
  expect(brief(set)).toEqual([200, body.scope])
  expect(await pull()).toEqual(frozen)
  expect(brief(await lift(set.body.freezeId, office.officer))).toEqual([409, 'SECOND_PERSON'])
  expect(await pull()).toEqual(frozen)
  expect((await lift(set.body.freezeId, second)).body).toMatchObject({ liftedBy: 'officer-2', liftReason: '险情解除' })
  expect(await pull()).toEqual(served)
  expect(brief(await lift(set.body.freezeId, second))).toEqual([409, 'FREEZE_STATE'])
})

test.each([[{ scope: 'dataset', name: 'housing' }], [{ scope: 'department', name: 'civil-affairs' }]])(
  'what is frozen elsewhere by %o stops nothing here',
  async (body) => {
    expect((await freeze(body)).status).toBe(200)
    expect(await pull()).toEqual(served)
  },
)

test('a disclosure that does not say what it is made of is stopped by every freeze that could concern it', async () => {
  await freeze({ scope: 'feed', name: 'LZ-GA-RK-001' })
  const disclose = (dataset: string) =>
    auditBeforeAnswer(installation.database, dataset, 2000, ({ audit }) =>
      audit({ type: 'export.downloaded', actor: 'consumer:platform', outcome: 'ok', dataset }),
    ).then(
      () => 'left',
      ({ code }: { code: string }) => code,
    )
  expect(await disclose('resident')).toBe('FROZEN')
  expect(await disclose('person')).toBe('FROZEN')
  expect(await disclose('housing')).toBe('left')
})

test('a page of a frozen feed is not saved, and its cursor stays', async () => {
  const feed = await registerFeed(installation, 'LZ-GA-RK-009')
  const lease = await beginRun(installation, feed)
  await freeze({ scope: 'feed', name: 'LZ-GA-RK-009' })
  const save = savePage(installation.database, feed, lease, makePage(installation, feed, residentRows(1, 2)))
  await expect(save).rejects.toMatchObject({ code: 'FROZEN', retry: true })
  expect(await installation.asOwner('select cursor from gridbridge.feed where code = $1', [feed.code])).toEqual([
    { cursor: null },
  ])
})

test.each<readonly [string, () => Promise<Answer>, readonly [number, string]]>([
  ['an editor', () => freeze({ scope: 'feed', name: 'LZ-GA-RK-001' }, office.editor), [403, 'FORBIDDEN']],
  ['an engineer', () => freeze({ scope: 'everything' }, office.engineer), [403, 'FORBIDDEN']],
  ['an auditor', () => freeze({ scope: 'everything' }, office.auditor), [403, 'FORBIDDEN']],
  ['a reviewer, of everything', () => freeze({ scope: 'everything' }, office.reviewer), [403, 'FORBIDDEN']],
  [
    'a reviewer, of a consumer',
    () => freeze({ scope: 'consumer', name: 'platform' }, office.reviewer),
    [403, 'FORBIDDEN'],
  ],
  [
    'a reviewer, of a feed of another',
    () => freeze({ scope: 'feed', name: 'LZ-GA-RK-001' }, neighbour),
    [403, 'FORBIDDEN'],
  ],
  ['an unknown feed', () => freeze({ scope: 'feed', name: 'LZ-XX-001' }), [404, 'FEED_UNKNOWN']],
  ['an unknown consumer', () => freeze({ scope: 'consumer', name: 'nobody' }), [404, 'CONSUMER_UNKNOWN']],
  ['an unknown dataset', () => freeze({ scope: 'dataset', name: 'nothing' }), [400, 'REQUEST_INVALID']],
  ['an unknown department', () => freeze({ scope: 'department', name: 'nobody' }), [400, 'REQUEST_INVALID']],
  ['everything with a name', () => freeze({ scope: 'everything', name: 'all' }), [400, 'REQUEST_INVALID']],
  ['a feed without a name', () => freeze({ scope: 'feed' }), [400, 'REQUEST_INVALID']],
  [
    'a reason that names a person',
    () => freeze({ scope: 'everything', reason: '510502190001010017' }),
    [400, 'REQUEST_INVALID'],
  ],
  [
    'a reviewer with an incident of others',
    () => freeze({ scope: 'feed', name: 'LZ-GA-RK-001', incident: 1 }, office.reviewer),
    [403, 'FORBIDDEN'],
  ],
])('is refused: %s', async (_what, act, wanted) => {
  expect(brief(await act())).toEqual(wanted)
  expect(await pull()).toEqual(served)
})

test('what a reviewer froze, another reviewer of the department may lift; what the security administrator froze, may not', async () => {
  const own = await freeze({ scope: 'feed', name: 'LZ-GA-RK-001' }, office.reviewer)
  expect(brief(await lift(own.body.freezeId, neighbour))).toEqual([403, 'FORBIDDEN'])
  expect(brief(await lift(own.body.freezeId, office.reviewer))).toEqual([409, 'SECOND_PERSON'])
  expect((await lift(own.body.freezeId, colleague)).status).toBe(200)
  const other = await freeze({ scope: 'feed', name: 'LZ-GA-RK-001' })
  expect(brief(await lift(other.body.freezeId, colleague))).toEqual([403, 'FORBIDDEN'])
  expect(await pull()).toEqual(frozen)
})

test('a freeze is listed, is an alert until it is lifted, and both are audited', async () => {
  const { freezeId } = (await freeze({ scope: 'dataset', name: 'housing' })).body
  expect((await office.auditor.get('/api/v1/freezes')).body.freezes[0]).toMatchObject({ freezeId, frozenBy: 'officer' })
  const alerts = async () =>
    ((await office.auditor.get('/api/v1/alerts')).body.alerts as { object: string }[]).map(({ object }) => object)
  expect(await alerts()).toContain(`freeze/${freezeId}`)
  await lift(freezeId, second)
  expect(await alerts()).not.toContain(`freeze/${freezeId}`)
  const entries = await installation.asOwner<{ type: string; actor: string }>(
    `select event_type as type, actor from audit.entry where convert_from(body, 'UTF8')::jsonb->>'object' = $1 order by recorded_at`,
    [`freeze/${freezeId}`],
  )
  expect(entries).toEqual([
    { type: 'freeze.set', actor: 'account:officer' },
    { type: 'freeze.lifted', actor: 'account:officer-2' },
  ])
})

describe('the freeze takes effect with its commit', () => {
  const disclose = (work = async () => {}) =>
    installation.database
      .transaction(async ({ audit, query }) => {
        await audit({ type: 'export.downloaded', actor: 'consumer:platform', outcome: 'ok', dataset: 'resident' })
        // Entries go with the next statement.
        await query('select')
        await work()
        return Date.now()
      })
      .catch(({ code }: { code: string }) => code)

  test('it waits for a disclosure under way, and no later one overtakes it', async () => {
    const { promise: pause, resolve: goOn } = Promise.withResolvers<void>()
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const under = disclose(() => {
      begin()
      return pause
    })
    await begun
    let isSet = false
    const setting = freeze({ scope: 'everything' }).then((answer) => {
      isSet = true
      return answer
    })
    await new Promise((resolve) => setTimeout(resolve, 300))
    const later = disclose()
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(isSet).toBe(false)
    goOn()
    expect(await under).toBeTypeOf('number')
    expect((await setting).status).toBe(200)
    expect(await later).toBe('FROZEN')
  })

  test('a process that hangs in a disclosure holds it up for five seconds at most', async () => {
    const { promise: hangs, resolve: goOn } = Promise.withResolvers<void>()
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const hung = disclose(() => {
      begin()
      return hangs
    })
    await begun
    const startedAt = Date.now()
    expect((await freeze({ scope: 'everything' })).status).toBe(200)
    expect(Date.now() - startedAt).toBeLessThan(5000)
    goOn()
    expect(await hung).toBe('DATABASE_UNAVAILABLE')
  }, 15_000)
})

describe('the database refuses, whatever the API thinks,', () => {
  const sql = (text: string, values: readonly unknown[]) =>
    installation.database.query(text, values).then(
      () => 'kept',
      ({ detail }: { detail: string }) => detail,
    )
  const insert = (scope: string, name: string | null, department: string | null, by: number) =>
    sql(`insert into freeze_order (scope, name, department, reason, frozen_by) values ($1, $2, $3, '测试', $4)`, [
      scope,
      name,
      department,
      by,
    ])

  test('who may not freeze', async () => {
    const { reviewer, editor, engineer, auditor } = office
    for (const { accountId } of [reviewer, editor, engineer, auditor])
      expect(await insert('everything', null, null, accountId)).toBe('SQLSTATE GB403')
    expect(await insert('feed', 'LZ-GA-RK-001', 'public-security', neighbour.accountId)).toBe('SQLSTATE GB403')
    expect(await insert('feed', 'LZ-GA-RK-001', 'civil-affairs', neighbour.accountId)).toBe('SQLSTATE GB409')
  })

  test('who may not lift, lifting twice, and changing or removing a freeze', async () => {
    const { freezeId } = (await freeze({ scope: 'everything' })).body
    const undo = (by: number) =>
      sql(`update freeze_order set lifted_by = $2, lifted_at = now(), lift_reason = '测试' where freeze_id = $1`, [
        freezeId,
        by,
      ])
    expect(await undo(office.officer.accountId)).toBe('SQLSTATE 23514')
    expect(await undo(office.reviewer.accountId)).toBe('SQLSTATE GB403')
    expect(await undo(office.auditor.accountId)).toBe('SQLSTATE GB403')
    expect(await sql(`update freeze_order set scope = 'dataset' where freeze_id = $1`, [freezeId])).toBe(
      'SQLSTATE 42501',
    )
    expect(await sql('delete from freeze_order where freeze_id = $1', [freezeId])).toBe('SQLSTATE 42501')
    expect(await undo(second.accountId)).toBe('kept')
    expect(await undo(second.accountId)).toBe('SQLSTATE GB409')
  })
})
