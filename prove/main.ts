import { proveAddresses } from './addresses.ts'
import { proveCursors } from './cursors.ts'
import { proveExport } from './export.ts'
import { proveFaults } from './faults.ts'
import { proveFeed } from './feed.ts'
import { proveFreeze } from './freeze.ts'
import { proveForks } from './forks.ts'
import { proveDoor } from './hostile-door.ts'
import { proveHostile } from './hostile.ts'
import { proveKill } from './kill.ts'
import { proveReplays } from './replays.ts'
import { proveRotate } from './rotate.ts'
import { proveSharing } from './sharing.ts'
import { proveSnapshot } from './snapshot.ts'
import { proveTaint } from './taint.ts'
import { proveTamper } from './tamper.ts'
import { proveWhoSaw } from './who-saw.ts'

/** One long proof: what it does in full, and its verdict. The same code runs small inside `npm test`. */
type Proof = () => Promise<{ readonly ok: boolean }>

const proofs: Readonly<Record<string, Proof>> = {
  cursors: () => proveCursors({ schedules: 100, seed: Date.now() % 100_000 }),
  export: () => proveExport({ records: 200_000, kills: 2, seed: Date.now() % 100_000 }),
  faults: () =>
    proveFaults({
      requests: 100_000,
      chance: 0.002,
      killEveryMs: 4000,
      silenceEveryMs: 3000,
      seed: Date.now() % 100_000,
    }),
  feed: () => proveFeed({ writers: 50, seconds: 60, seed: Date.now() % 100_000 }),
  forks: () => proveForks({ forks: 1000, seed: Date.now() % 100_000 }),
  freeze: () => proveFreeze({ rows: 6000, frozenMs: 20_000 }),
  hostile: async () => {
    const [inputs, addresses, door] = [
      await proveHostile({ together: 1 }),
      await proveAddresses(),
      await proveDoor({ every: 1 }),
    ]
    return { ok: inputs.ok && addresses.ok && door.ok, inputs, addresses, door }
  },
  kill: () =>
    proveKill({ residents: 20_000, kills: 10, seed: Date.now() % 100_000, redisUrl: process.env['REDIS_URL'] ?? null }),
  replays: () => proveReplays({ attacks: 10_000, seed: Date.now() % 100_000 }),
  rotate: () => proveRotate({ records: 200_000, canaries: 2000, replicas: 2, seed: Date.now() % 100_000 }),
  sharing: () => proveSharing({ records: 200, agreements: 50, seed: Date.now() % 100_000 }),
  snapshot: () => proveSnapshot({ records: 200_000, seed: Date.now() % 100_000 }),
  taint: () => proveTaint({ canaries: 2000, withMutations: true }),
  'who-saw': () => proveWhoSaw({ entries: 1_000_000, persons: 200, damaged: 12, seed: Date.now() % 100_000 }),
  tamper: () => proveTamper({ tamperings: 5000, cleanLogs: 100, seed: Date.now() % 100_000, secondEach: 10 }),
}

const names = process.argv.slice(2)
const unknown = names.filter((name) => !Object.hasOwn(proofs, name))
if (names.length === 0 || unknown.length > 0) {
  process.stderr.write(`name a proof: ${Object.keys(proofs).join(', ')}\n`)
  process.exit(2)
}
for (const name of names) {
  const verdict = await proofs[name]?.()
  process.stdout.write(`${name} ${JSON.stringify(verdict)}\n`)
  if (verdict?.ok !== true) process.exitCode = 1
}
