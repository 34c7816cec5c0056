import { expect, test } from 'vitest'
import { requestRun } from '../../src/store/runs.ts'
import { openTestInstallation } from '../support/installation.ts'
import { registerAccount, registerFeed } from '../support/ledger.ts'
import { bearerOf, openDoor } from './door.ts'

test('a stream ends within five seconds after its session has', async () => {
  const installation = await openTestInstallation('api')
  const server = await openDoor(installation)
  const address = await server.listen({ host: '127.0.0.1', port: 0 })
  const feed = await registerFeed(installation, 'LZ-GA-RK-001')
  const { runId } = await requestRun(installation.database.query, feed.feedId)
  const auditor = await registerAccount(installation, 'auditor', 'audit-administrator')
  const headers = { authorization: await bearerOf(server, auditor) }
  const answer = await fetch(`${address}/api/v1/runs/${runId}/progress`, { headers })
  const reading = answer.text()
  await fetch(`${address}/api/v1/session`, { method: 'DELETE', headers })
  const endedAt = Date.now()
  expect(await reading).not.toContain('event: end')
  expect(Date.now() - endedAt).toBeLessThan(5000)
  await server.close()
  await installation.close()
})
