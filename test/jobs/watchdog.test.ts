import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { measureSkew, MOST_SKEW_MS, startWatchdog, type WatchdogFinding } from '../../src/jobs/watchdog.ts'
import { openDatabase, type Query } from '../../src/store/database.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { startSilentProxy } from '../support/silent-proxy.ts'

let installation: TestInstallation
beforeAll(async () => {
  installation = await openTestInstallation('watchdog')
})
afterAll(() => installation.close())

/** A database whose clock is another one than this machine's. */
const clockOff =
  (milliseconds: number): Query =>
  (text, values) =>
    installation.database.query(
      text.replace('clock_timestamp()', `(clock_timestamp() + interval '${milliseconds} ms')`),
      values,
    )

test('this machine and its own database agree on the time', async () => {
  expect(await measureSkew(installation.database.query)).toBeLessThan(100)
})

test.each([-3_600_000, -2500, 2500, 86_400_000])(
  'a clock that is %i ms off is measured as that',
  async (milliseconds) => {
    const skew = await measureSkew(clockOff(milliseconds))
    expect(skew).toBeGreaterThan(MOST_SKEW_MS)
    expect(Math.abs(skew - Math.abs(milliseconds))).toBeLessThan(100)
  },
)

async function findingsOf(query: Query, milliseconds: number): Promise<ReadonlySet<WatchdogFinding>> {
  const findings = new Set<WatchdogFinding>()
  const stop = startWatchdog(query, (finding) => findings.add(finding), 50, 300)
  await wait(milliseconds)
  stop()
  return findings
}

test('a well database is left alone, a skewed one is told', async () => {
  expect(await findingsOf(installation.database.query, 700)).toEqual(new Set())
  expect(await findingsOf(clockOff(5000), 300)).toEqual(new Set(['skewed']))
})

test('a database that went silent without closing a connection is found', async () => {
  const url = new URL(installation.databaseUrl)
  const proxy = await startSilentProxy(Number(url.port))
  url.port = String(proxy.port)
  const database = openDatabase({ url: url.href, processName: 'half-open', connections: 2 })
  const findings: WatchdogFinding[] = []
  const stop = startWatchdog(database.query, (finding) => findings.push(finding), 50, 400)
  await wait(700)
  expect(findings).toEqual([])
  proxy.goSilent()
  const startedAt = Date.now()
  while (findings.length === 0 && Date.now() - startedAt < 3000) await wait(20)
  stop()
  expect(findings[0]).toBe('silent')
  expect(Date.now() - startedAt).toBeLessThan(1500)
  proxy.close()
  await database.close()
})
