import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const TOOL = fileURLToPath(new URL('../../tools/generate-dataset-types.ts', import.meta.url))

test('the generated types are what the schemas say', () => {
  expect(execFileSync(process.execPath, [TOOL, '--check'], { encoding: 'utf8' })).toBe('')
})
