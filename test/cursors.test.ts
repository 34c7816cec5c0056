import { expect, test } from 'vitest'
import { kinds } from '../prove/cursor-kinds.ts'
import { proveKind } from '../prove/cursor-play.ts'
import { needService } from './support/services.ts'
import { isMariadbInstalled } from './support/mariadb-server.ts'
import { findStaleRemovals, judgeRemovals } from '../prove/cursor-removals.ts'

const SEED = 20

// Without it there is no kind of reading for it; where the tests must not be skipped this ends them.
await needService('mariadbd (packages mariadb-server-core, mariadb-client-core)', isMariadbInstalled)

/** As many as take less than five seconds. */
const schedulesOf = ({ sideBySide }: (typeof kinds)[string]): number => (sideBySide > 1 ? 3 : 6)

test.each(Object.entries(kinds))(
  'reading by %s loses nothing to late commits, ties and crashes',
  async (name, kind) => {
    const verdict = await proveKind(name, schedulesOf(kind), SEED)
    expect(verdict).toMatchObject({ lost: 0, unended: 0, lostSeed: null })
    expect(Math.min(verdict.lateCommits, verdict.ties, verdict.crashes)).toBeGreaterThan(0)
  },
)

test('what the kit takes away is still there to be taken away', () => {
  expect(findStaleRemovals()).toEqual([])
})

test('rows are lost as soon as a window or a guard is gone', async () => {
  const verdicts = await judgeRemovals(['http token', 'http keyset', 'file'], SEED, 6)
  expect(verdicts.map(({ name, noticed }) => [name, noticed])).toEqual(verdicts.map(({ name }) => [name, true]))
  expect(verdicts.length).toBeGreaterThan(2)
})
