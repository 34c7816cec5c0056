import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { DemoResult } from '../demo/totals.ts'
import { projectRoot } from '../demo/processes.ts'
import { proveKill } from '../prove/kill.ts'
import { isRedisInstalled, startRedisServer } from '../prove/redis-server.ts'
import { needService } from './support/services.ts'

/** Plays the README's demo as a process and returns its last line and exit code. */
async function play(
  environment: Readonly<Record<string, string>>,
): Promise<{ code: number | null; result: DemoResult }> {
  const data = mkdtempSync(path.join(tmpdir(), 'gridbridge-flow-'))
  const demo = ['src/cli.ts', 'demo', '--json', '--exit', '--residents', '1200', '--seed', '3', '--data', data]
  const child = spawn(process.execPath, demo, {
    cwd: projectRoot,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const { promise, resolve } = Promise.withResolvers<number | null>()
  child.once('close', resolve)
  const code = await promise
  rmSync(data, { recursive: true, force: true })
  return { code, result: JSON.parse(output.trim().split('\n').at(-1) ?? '{}') as DemoResult }
}

/** What a run of the demo must show, besides the totals that it compares itself. */
function findings({ code, result }: Awaited<ReturnType<typeof play>>) {
  return {
    code,
    ok: result.ok,
    differences: result.differences,
    departments: Object.keys(result.departments).length,
    rejectsRows: (result.first['resident']?.rejected ?? 0) > 10,
    carriesDeletes: (result.second['resident']?.deleted ?? 0) > 0,
    batchesSentAgain: result.batches.sentAgain,
    otherReceipts: result.batches.otherReceipts,
    verified: result.audit.verified,
  }
}

const wellPlayed = {
  code: 0,
  ok: true,
  differences: [],
  departments: 14,
  rejectsRows: true,
  carriesDeletes: true,
  batchesSentAgain: 6,
  otherReceipts: 0,
  verified: true,
}

test('every total of the demo adds up on PostgreSQL alone', { timeout: 240_000 }, async () => {
  expect(findings(await play({ REDIS_URL: '' }))).toEqual(wellPlayed)
})

test('a worker that is killed again and again changes no total', { timeout: 300_000 }, async () => {
  const verdict = await proveKill({ residents: 6000, kills: 3, seed: 11, redisUrl: null })
  expect(verdict.differences).toEqual([])
  expect(verdict).toMatchObject({ kills: 3, duplicateEffects: 0 })
  expect(verdict.restarts).toBeGreaterThanOrEqual(3)
})

describe.skipIf(!(await needService('redis-server', isRedisInstalled)))('with the queue on Redis', () => {
  test('every total of the demo adds up', { timeout: 240_000 }, async () => {
    const redis = await startRedisServer()
    try {
      expect(findings(await play({ REDIS_URL: redis.url }))).toEqual(wellPlayed)
    } finally {
      await redis.stop()
    }
  })
})
