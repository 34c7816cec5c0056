import { spawn, type ChildProcess } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createRandom } from '../../prove/random.ts'
import { writeVerifier } from '../../src/audit/note.ts'
import { createSigningKey, readSigningKey } from '../../src/jobs/signer-files.ts'
import { environmentOf, runCommand } from '../support/command-line.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'

const KILLS = 6
const SEED = 20_261_129
const ORIGIN = 'audit.example.gov.cn/share/1'

const folder = mkdtempSync(path.join(tmpdir(), 'gridbridge-kill-'))
const key = path.join(folder, 'key')
const script = fileURLToPath(new URL('signing-process.ts', import.meta.url))
let installation: TestInstallation
beforeAll(async () => {
  installation = await openTestInstallation('kill', 8)
  createSigningKey(key)
})
afterAll(async () => {
  await installation.close()
  rmSync(folder, { recursive: true })
})

let errors = ''
async function start(): Promise<ChildProcess> {
  const given = [script, installation.databaseUrl, key, path.join(folder, 'signed')]
  const child = spawn(process.execPath, given, { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  if (child.stdout !== null) await once(child.stdout, 'data')
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

const countEntries = async (): Promise<number> => {
  const [row] = await installation.asOwner<{ entries: number }>('select count(*)::int as entries from audit.entry')
  return row?.entries ?? 0
}

async function untilSigned(entries: number): Promise<void> {
  for (;;) {
    const [row] = await installation.asOwner<{ size: number }>('select max(size)::int as size from audit.checkpoint')
    if ((row?.size ?? 0) >= entries) return
    await wait(50)
  }
}

test(`however often sequencer and signer are killed, every entry has one place and is signed (seed ${SEED})`, async () => {
  const pick = createRandom(SEED)
  const over = new AbortController()
  const write = async (): Promise<void> => {
    for (let count = 0; !over.signal.aborted; count++) {
      await installation.database.transaction(({ audit }) =>
        audit({ type: 'page.saved', actor: 'system:worker', outcome: 'ok', count }),
      )
      await wait(2)
    }
  }
  const writing = Promise.all(Array.from({ length: 6 }, write))
  for (let turn = 0; turn < KILLS; turn++) {
    const child = await start()
    await wait(pick(1500))
    await kill(child)
  }
  over.abort()
  await writing
  const last = await start()
  await untilSigned(await countEntries())
  await kill(last)
  expect(errors).toBe('')
  const [places] = await installation.asOwner(
    `select count(*)::int = max(leaf_index)::int + 1 as gapless, count(distinct (lane_id, lane_seq)) = count(*) as once,
        count(*) = (select count(*) from audit.entry) as whole, max(leaf_index) + 1 = (select size from audit.tree) as sized
       from audit.tree_leaf`,
  )
  expect(places).toEqual({ gapless: true, once: true, whole: true, sized: true })
  const verifier = writeVerifier({ name: ORIGIN, publicKey: createPublicKey(readSigningKey(key)) })
  const { code, output } = await runCommand(
    ['audit', 'verify', '--verifier', verifier, '--json'],
    environmentOf(installation),
  )
  expect([code, (JSON.parse(output) as { state: string }).state]).toEqual([0, 'whole'])
}, 120_000)
