import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { environmentOf, runCommand } from './support/command-line.ts'
import { makeFolder } from './support/folder.ts'
import { agreeToPrune } from '../src/jobs/pruning.ts'
import { openOldLog, type OldLog } from './jobs/pruning-stage.ts'

let log: OldLog

beforeAll(async () => {
  log = await openOldLog()
})
afterAll(() => log.close())

const run = (...given: readonly string[]) => runCommand(['audit', ...given], environmentOf(log.installation))

/** The month that lies so many back, in China. */
function month(back: number): string {
  const local = new Date(Date.now() + 8 * 3_600_000)
  return new Date(Date.UTC(local.getUTCFullYear(), local.getUTCMonth() - back, 1)).toISOString().slice(0, 7)
}

test(
  'old months are archived, approved by another person and removed, and the log verifies',
  { timeout: 120_000 },
  async () => {
    const folder = makeFolder('archive-')
    const young = await run('prune', 'ask', '--before', month(35), '--out', folder)
    expect([young.code, young.errors]).toEqual([2, expect.stringMatching(/^PRUNING_REFUSED: .*36 months/)])
    const asked = await run('prune', 'ask', '--before', month(36), '--out', folder, '--json')
    const { pruning, archive, entries } = JSON.parse(asked.output)
    expect([entries, existsSync(archive)]).toEqual([512, true])
    expect((await run('prune', 'run', String(pruning))).errors).toMatch(/^PRUNING_REFUSED: .*second person/)
    await agreeToPrune(log.installation.database, pruning, 'account:auditor')
    await log.sign()
    const done = await run('prune', 'run', String(pruning), '--json')
    expect(JSON.parse(done.output)).toEqual({ removed: 512 })
    const verified = await runCommand(['audit', 'verify', '--json'], {
      ...environmentOf(log.installation),
      OWNER_DATABASE_URL: log.installation.ownerUrl,
    })
    expect([verified.code, JSON.parse(verified.output)]).toEqual([
      0,
      expect.objectContaining({ state: 'whole', pruned: 512 }),
    ])
  },
)

test('a report is made at the command line and never written over another file', { timeout: 120_000 }, async () => {
  const out = path.join(makeFolder('report-'), 'week.csv')
  const given = ['report', 'provision', '--from', `${month(1)}-01`, '--to', `${month(1)}-28`, '--out', out]
  const made = await run(...given, '--json')
  expect([made.code, made.errors]).toEqual([0, ''])
  expect(readFileSync(out, 'utf8')).toContain('对外提供台账')
  const again = await run(...given)
  expect([again.code, again.errors]).toEqual([2, expect.stringMatching(/^USAGE_INVALID/)])
  expect((await run('report', 'monthly', '--from', 'x', '--to', 'y', '--out', out)).code).toBe(2)
})
