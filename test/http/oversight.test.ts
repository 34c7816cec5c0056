import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { raiseObjectAlert } from '../../src/store/alerts.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { employAll, type Office } from '../support/office.ts'
import { openDoor } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance
let office: Office

beforeAll(async () => {
  installation = await openTestInstallation('oversight')
  server = await openDoor(installation)
  office = await employAll(installation, await server.listen({ host: '127.0.0.1', port: 0 }))
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

const lastEntry = async (type: string) => {
  const [row] = await installation.asOwner<{ body: Readonly<Record<string, unknown>> }>(
    `select convert_from(body, 'UTF8')::jsonb as body from audit.entry where event_type = $1 order by recorded_at desc limit 1`,
    [type],
  )
  return row?.body
}

const RULE = '/api/v1/oversight/rules/denials-burst'

describe('thresholds', () => {
  test('are set by the security administrator within their bounds, and it is written down from what to what', async () => {
    const changed = await office.officer.put(RULE, { thresholds: { count: 7 } })
    expect([changed.status, changed.body.thresholds]).toEqual([
      200,
      [expect.objectContaining({ name: 'count', value: 7, standard: 20, least: 3 })],
    ])
    expect(await lastEntry('oversight.changed')).toMatchObject({
      actor: 'account:officer',
      object: 'rule/denials-burst',
      details: { count: '20 → 7' },
    })
    const { body } = await office.auditor.get('/api/v1/oversight/rules')
    const shown = body.rules.find(({ rule }: { rule: string }) => rule === 'denials-burst')
    expect(shown).toMatchObject({ windowMinutes: 10, thresholds: [{ value: 7 }] })
    expect(await lastEntry('oversight.read')).toMatchObject({ actor: 'account:auditor' })
  })

  test.each([
    ['below its least', { count: 2 }],
    ['a name that no threshold has', { made: 5 }],
    ['the name of something every object has', { constructor: 5 }],
  ])('%s is refused and changes nothing', async (_name, thresholds) => {
    const { status, body } = await office.officer.put(RULE, { thresholds })
    expect([status, body.code]).toEqual([422, 'THRESHOLD_INVALID'])
    const [row] = await installation.asOwner<{ n: string }>(
      `select count(*) as n from gridbridge.oversight_threshold where name <> 'count' or value < 3`,
    )
    expect(Number(row?.n)).toBe(0)
  })

  test('no other role sets them, and those who run the city’s systems do not even see them', async () => {
    const statuses = []
    for (const person of [office.auditor, office.engineer, office.editor])
      statuses.push((await person.put(RULE, { thresholds: { count: 9 } })).status)
    statuses.push((await office.engineer.get('/api/v1/oversight/rules')).status)
    expect(statuses).toEqual([403, 403, 403, 403])
  })
})

describe('an alert of oversight', () => {
  const raise = async (object: string): Promise<number> => {
    const alert = { kind: 'off-hours', object, department: null, details: { count: 5 } } as const
    await installation.database.transaction((transaction) => raiseObjectAlert(transaction, alert))
    const { body } = await office.officer.get('/api/v1/alerts')
    return body.alerts.find((one: { object: string }) => one.object === object).alertId
  }

  test('is acknowledged by the audit or the security administrator alone, which is written down', async () => {
    const alertId = await raise('consumer/one')
    const path = `/api/v1/alerts/${alertId}/acknowledge`
    expect((await office.engineer.post(path)).status).toBe(403)
    expect((await office.editor.post(path)).status).toBe(404)
    const { status, body } = await office.auditor.post(path)
    expect([status, body.acknowledgedBy]).toEqual([200, 'account:auditor'])
    expect(await lastEntry('alert.acknowledged')).toMatchObject({
      actor: 'account:auditor',
      details: { kind: 'off-hours', about: 'consumer/one' },
    })
  })

  test('about somebody is acknowledged by somebody else', async () => {
    const path = `/api/v1/alerts/${await raise('account/officer')}/acknowledge`
    const { status, body } = await office.officer.post(path)
    expect([status, body.code]).toEqual([409, 'SECOND_PERSON'])
    expect((await office.auditor.post(path)).status).toBe(200)
    const other = await raise('account/officer-two')
    expect((await office.officer.post(`/api/v1/alerts/${other}/acknowledge`)).status).toBe(200)
  })
})
