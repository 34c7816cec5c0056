import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startLogAlarm } from '../../src/jobs/log-alarm.ts'
import { countScrubbed, openLog } from '../../src/log.ts'
import { listAlerts } from '../../src/store/alerts.ts'
import { openDoor } from '../http/door.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'

let installation: TestInstallation

beforeAll(async () => {
  installation = await openTestInstallation('log-alarm')
})
afterAll(() => installation.close())

const open = async () => {
  const alerts = await listAlerts(installation.database.query, {
    department: null,
    isOpen: true,
    before: null,
    limit: 10,
  })
  return alerts.map(({ kind, object, details }) => ({ kind, object, details }))
}

test('a line that looked personal is blotted out, counted, shown as a metric and told of by one alert', async () => {
  const written: string[] = []
  const output = vi.spyOn(process.stderr, 'write').mockImplementation((text, ...rest: unknown[]) => {
    written.push(String(text))
    for (const done of rest) if (typeof done === 'function') done()
    return true
  })
  const log = openLog('info', 'test')
  const faults: unknown[] = []
  const stop = startLogAlarm(installation.database, log, 'test', (error) => faults.push(error), 20)
  const before = countScrubbed()
  // A name of a process is the one text that no field holds; here it looks like a telephone number.
  openLog('info', '19900000001').tell('STOPPED', {})
  openLog('info', '19900000001').tell('STOPPED', {})
  await vi.waitFor(async () => expect(await open()).toHaveLength(1), { timeout: 5000 })
  await stop()
  output.mockRestore()
  expect(faults).toEqual([])
  expect(countScrubbed() - before).toBe(2)
  expect(written.join('')).not.toContain('19900000001')
  expect(written.join('')).toContain('"code":"LOG_SCRUBBED"')
  expect(await open()).toMatchObject([{ kind: 'log-scrubbed', object: 'process/test' }])
  const server = await openDoor(installation)
  const { body } = await server.inject({ url: '/metrics' })
  expect(body).toContain(`gridbridge_log_scrubbed_lines ${countScrubbed()}`)
  expect(body).toContain('gridbridge_alerts_open{kind="log-scrubbed"} 1')
  await server.close()
})
