import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerAccount } from '../support/ledger.ts'
import { bearerOf, openDoor } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance
let authorization = ''

beforeAll(async () => {
  installation = await openTestInstallation('api')
  server = await openDoor(installation, { auditDeadlineMs: 500 })
  authorization = await bearerOf(server, await registerAccount(installation, 'auditor', 'audit-administrator'))
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

const ask = (url: string, headers: Readonly<Record<string, string>> = { authorization }) =>
  server.inject({ url, headers })

const lastEntry = async (): Promise<unknown> => {
  const [entry] = await installation.asOwner<{ body: Buffer }>(
    'select body from audit.entry order by recorded_at desc, lane_seq desc limit 1',
  )
  return JSON.parse(String(entry?.body))
}

test('what has no event of its own is written down: who, what, how it ended, and nothing that was typed', async () => {
  expect((await ask('/api/v1/runs?limit=5')).statusCode).toBe(200)
  expect(await lastEntry()).toMatchObject({
    type: 'api.answered',
    actor: 'account:auditor',
    outcome: 'ok',
    object: 'GET /api/v1/runs',
    details: { status: 200 },
  })
  expect((await ask('/api/v1/feeds/LZ-GA-RK-404?x=510502190001010010')).statusCode).toBe(404)
  const unknown = await lastEntry()
  expect(unknown).toMatchObject({ object: 'GET /api/v1/feeds/:code', outcome: 'failed', details: { status: 404 } })
  expect(JSON.stringify(unknown)).not.toMatch(/404"|510502190001010010|LZ-GA/)
})

test('so is whoever nobody knows', async () => {
  expect((await ask('/api/v1/runs', {})).statusCode).toBe(401)
  expect(await lastEntry()).toMatchObject({ actor: 'unknown', outcome: 'denied', object: 'GET /api/v1/runs' })
})

test('no audit, no answer: while the log takes nothing, nothing is shown, and soon after it is again', async () => {
  await installation.asOwner('revoke execute on function audit.append(uuid, bytea, bytea, bytea) from gridbridge_app')
  const begunAt = Date.now()
  const refused = await ask('/api/v1/service-items')
  expect([refused.statusCode, refused.json<{ code: string }>().code]).toEqual([503, 'AUDIT_UNAVAILABLE'])
  expect(refused.body).not.toContain('items')
  expect(refused.headers['content-type']).toMatch(/problem\+json/)
  expect(Date.now() - begunAt).toBeLessThan(2000)
  expect((await ask('/healthz')).statusCode).toBe(200)
  await installation.asOwner('grant execute on function audit.append(uuid, bytea, bytea, bytea) to gridbridge_app')
  expect((await ask('/api/v1/service-items')).statusCode).toBe(200)
})
