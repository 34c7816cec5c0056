import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadKeyEncryptionKey } from '../../src/security/key-encryption-key.ts'
import { codeOf } from '../support/coded-error.ts'

let directory = ''
beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'gridbridge-key-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

const inDirectory = (name: string): string => path.join(directory, name)
const key = randomBytes(32)

test('the environment wins over the file', () => {
  const other = randomBytes(32)
  writeFileSync(inDirectory('first'), other.toString('base64'), { mode: 0o600 })
  expect(loadKeyEncryptionKey(key.toString('base64'), inDirectory('first'), false)).toEqual(key)
  expect(loadKeyEncryptionKey(null, inDirectory('first'), false)).toEqual(other)
})

test.each([0o640, 0o604, 0o644, 0o660, 0o610])('a file that others can reach is refused (mode %o)', async (mode) => {
  const file = inDirectory(`open-${mode}`)
  writeFileSync(file, key.toString('base64'))
  chmodSync(file, mode)
  expect(await codeOf(() => loadKeyEncryptionKey(null, file, false))).toBe('KEY_UNAVAILABLE')
  chmodSync(file, 0o600)
  expect(loadKeyEncryptionKey(null, file, false)).toEqual(key)
})

test('a key of another length is refused, and the refusal does not repeat it', async () => {
  for (const length of [0, 16, 31, 33]) {
    const text = randomBytes(length).toString('base64')
    expect(await codeOf(() => loadKeyEncryptionKey(text, inDirectory('none'), false))).toBe('KEY_UNAVAILABLE')
  }
  const short = 'c2hvcnQta2V5LXRleHQ='
  expect(() => loadKeyEncryptionKey(short, inDirectory('none'), false)).not.toThrow(short)
})

test('a missing file is told unless it may be created; created once, it stays', async () => {
  const file = inDirectory('deep/er/kek')
  expect(await codeOf(() => loadKeyEncryptionKey(null, file, false))).toBe('KEY_UNAVAILABLE')
  const created = loadKeyEncryptionKey(null, file, true)
  expect(created).toHaveLength(32)
  expect(loadKeyEncryptionKey(null, file, true)).toEqual(created)
  expect(loadKeyEncryptionKey(null, file, false)).toEqual(created)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readFileSync(file, 'utf8').trim()).toBe(created.toString('base64'))
  expect(readdirSync(path.dirname(file))).toEqual(['kek'])
})
