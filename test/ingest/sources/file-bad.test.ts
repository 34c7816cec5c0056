import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { bombs, texts, warmUps, workbooks, type BadDrop } from './bad-drops.ts'
import { makeDropFolder } from './file-drop-folder.ts'
import type { DropOutcome, DropTask } from './read-drops.ts'

/** Reads the drops one after the other in a process of its own, whose memory is nobody else's. */
async function readInProcess(drops: readonly BadDrop[]): Promise<readonly DropOutcome[]> {
  const task: DropTask[number][] = []
  for (const { format, content, rows = 1 } of drops) {
    const folder = makeDropFolder()
    folder.drop('a', await content, rows)
    task.push({ directory: folder.path, format })
  }
  const child = spawn(process.execPath, [fileURLToPath(new URL('read-drops.ts', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end(JSON.stringify(task))
  return JSON.parse(await text(child.stdout)) as readonly DropOutcome[]
}

// A second each; collecting garbage beside it, and slower machines, get another.
const MOST_MILLISECONDS = 2000
const MOST_MB = 100

describe.each([
  ['bombs', bombs],
  ['texts', texts],
  ['workbooks', workbooks],
])('bad files: %s', (_name, drops) => {
  test('each gets its answer in time, with a code, and within 100 MB', async () => {
    const outcomes = await readInProcess([...warmUps, ...drops])
    const told = outcomes.map(({ code, detail }) => [code, detail] as const)
    expect(told).toEqual(
      [...warmUps, ...drops].map(({ code, words }) => [code, expect.stringContaining(words)] as const),
    )
    const warmMb = outcomes[warmUps.length - 1]?.peakMb ?? 0
    const costs = outcomes.slice(warmUps.length).map(({ milliseconds, peakMb }, place) => ({
      what: drops[place]?.what,
      milliseconds: Math.round(milliseconds),
      growthMb: Math.round(peakMb - warmMb),
    }))
    expect(
      costs.filter(({ milliseconds, growthMb }) => milliseconds > MOST_MILLISECONDS || growthMb > MOST_MB),
    ).toEqual([])
  })
})
