import { describe, expect, test } from 'vitest'
import { honestSchemas } from '../../prove/honest-schemas.ts'
import { evilSchemas } from '../../prove/hostile-schemas.ts'
import { AppError } from '../../src/errors.ts'
import { loadCodeTables } from '../../src/feeds/code-tables.ts'
import { createProposedDataset, loadDatasets } from '../../src/feeds/datasets.ts'
import { countWays } from '../../src/feeds/pattern-ways.ts'
import { trySchema } from '../../src/feeds/schema-trial.ts'
import { fileURLToPath } from 'node:url'

const datasets = loadDatasets()
const others = [...datasets.values()]
const tables = loadCodeTables(fileURLToPath(new URL('../../schemas/', import.meta.url)))

async function outcomeOf(dataset: string, text: string): Promise<string> {
  try {
    const schema: unknown = JSON.parse(text)
    if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return 'no object'
    await createProposedDataset(dataset, schema as Readonly<Record<string, unknown>>, others)
    return 'accepted'
  } catch (error) {
    if (error instanceof SyntaxError) return 'no JSON'
    return error instanceof AppError ? `${error.code} ${error.detail}` : String(error)
  }
}

/** Those that JSON.parse alone lets through differ at the door, where http/json-body.ts reads them. */
const isForTheDoor = (what: string): boolean => /\{"a":1,"a":2\}|member __proto__|keyword __proto__/.test(what)

describe('schemas that somebody proposes', () => {
  test(
    `${evilSchemas.length} evil ones are refused with their place, each within two seconds`,
    { timeout: 120_000 },
    async () => {
      expect(evilSchemas.length).toBeGreaterThanOrEqual(200)
      const wrong: string[] = []
      for (const { what, text } of evilSchemas) {
        if (isForTheDoor(what)) continue
        const before = process.cpuUsage()
        const outcome = await outcomeOf('resident', text)
        const used = process.cpuUsage(before)
        const milliseconds = (used.user + used.system) / 1000
        const isRefused = /^(no object|no JSON|SCHEMA_(INVALID|TOO_COSTLY) (resident\.schema\.json)?#)/.test(outcome)
        if (!isRefused || milliseconds > 2000)
          wrong.push(`${what}: ${outcome.slice(0, 200)} after ${Math.round(milliseconds)} ms`)
      }
      expect(wrong).toEqual([])
    },
  )

  // The proof takes all of them.
  test('honest ones are not', { timeout: 120_000 }, async () => {
    const wrong: string[] = []
    for (const { what, dataset, text } of honestSchemas.filter((_, place) => place < 11 || place % 4 === 0)) {
      const outcome = await outcomeOf(dataset, text)
      if (outcome !== 'accepted') wrong.push(`${what}: ${outcome}`)
    }
    expect(wrong).toEqual([])
  })

  test('a trial ends at its time and at its memory, and says where it was', async () => {
    const schema = JSON.parse(honestSchemas[11]?.text ?? '') as Readonly<Record<string, unknown>>
    await expect(trySchema({ schema, tables }, { milliseconds: 0, megabytes: 128 })).rejects.toMatchObject({
      code: 'SCHEMA_TOO_COSTLY',
      detail: expect.stringMatching(/^#.*: takes longer than 0 ms/),
    })
    const large = { type: 'string', enum: Array.from({ length: 200_000 }, (_, at) => `value number ${at}`) }
    await expect(trySchema({ schema: large, tables }, { milliseconds: 30_000, megabytes: 8 })).rejects.toMatchObject({
      code: 'SCHEMA_TOO_COSTLY',
      detail: expect.stringContaining('MB to try'),
    })
  })

  test('no more than four wait', async () => {
    const schema = JSON.parse(honestSchemas[0]?.text ?? '') as Readonly<Record<string, unknown>>
    const settled = await Promise.allSettled(Array.from({ length: 6 }, () => trySchema({ schema, tables })))
    expect(settled.map(({ status }) => status)).toEqual([...Array(4).fill('fulfilled'), 'rejected', 'rejected'])
    expect(settled.at(-1)).toMatchObject({ reason: { code: 'BUSY' } })
    expect(await trySchema({ schema, tables })).toEqual([])
  })
})

test.each<readonly [string, number]>([
  ['', 1],
  ['abc', 1],
  ['a?', 2],
  ['a{2,4}', 3],
  ['a{3}', 1],
  ['a|b|c', 3],
  ['(a|b)c?', 4],
  ['(a|b){3}', 8],
  ['(?:a?){4}', 16],
  ['[*+?(|]', 1],
  [String.raw`\*\+\(\|`, 1],
  [String.raw`\p{L}{1,5}`, 5],
  ['[]*]', 1],
  ['a*', Infinity],
  ['a+?', Infinity],
  ['a{2,}', Infinity],
  ['(a+)+', Infinity],
  ['(a', 1],
  ['a)b?', 2],
  ['a{x}', 1],
])('%s can be matched in %d ways', (pattern, ways) => {
  expect(countWays(pattern)).toBe(ways)
})
