import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toAppError } from '../../src/errors.ts'
import { openKeyProvider, type KeySettings } from '../../src/security/key-encryption-key.ts'

let directory = ''
beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'gridbridge-key-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

const inDirectory = (name: string): string => path.join(directory, name)
const key = randomBytes(32)
const other = randomBytes(32)
const base64 = (bytes: Buffer): string => bytes.toString('base64')

const load = (settings: Partial<KeySettings>): Promise<readonly Buffer[]> =>
  openKeyProvider({ command: null, text: null, file: inDirectory('none'), create: false, ...settings }).load()

/** Code and words of the refusal, with what it was caused by: nothing of it may be a key. */
async function refusal(settings: Partial<KeySettings>): Promise<string> {
  try {
    await load(settings)
  } catch (error) {
    const { code, message, cause } = toAppError(error)
    return `${code}: ${message} ${cause instanceof Error ? `${cause.message} ${JSON.stringify(cause)}` : ''}`
  }
  return 'none'
}

describe('the environment and the file', () => {
  test('the environment wins over the file', async () => {
    writeFileSync(inDirectory('first'), base64(other), { mode: 0o600 })
    expect(await load({ text: base64(key), file: inDirectory('first') })).toEqual([key])
    expect(await load({ file: inDirectory('first') })).toEqual([other])
  })

  test('give several keys, the first of which wraps', async () => {
    writeFileSync(inDirectory('both'), `${base64(other)}\n${base64(key)}\n`, { mode: 0o600 })
    expect(await load({ file: inDirectory('both') })).toEqual([other, key])
    expect(await load({ text: `${base64(key)} ${base64(other)}` })).toEqual([key, other])
  })

  test.each([0o640, 0o604, 0o644, 0o660, 0o610])('a file that others can reach is refused (mode %o)', async (mode) => {
    const file = inDirectory(`open-${mode}`)
    writeFileSync(file, base64(key))
    chmodSync(file, mode)
    expect(await refusal({ file })).toMatch('KEY_UNAVAILABLE')
    chmodSync(file, 0o600)
    expect(await load({ file })).toEqual([key])
  })

  test('a key of another length, none and too many are refused, and the refusal does not repeat them', async () => {
    for (const length of [16, 31, 33]) {
      const text = base64(randomBytes(length))
      const said = await refusal({ text: `${base64(key)} ${text}` })
      expect(said).toMatch(/^KEY_UNAVAILABLE: .*GRIDBRIDGE_KEK/)
      expect(said).not.toContain(text)
      expect(said).not.toContain(base64(key))
    }
    expect(await refusal({ text: ' \n ' })).toMatch('KEY_UNAVAILABLE')
    expect(await refusal({ text: Array.from({ length: 9 }, () => base64(key)).join(' ') })).toMatch('KEY_UNAVAILABLE')
  })

  test('a missing file is told unless it may be created; created once, it stays', async () => {
    const file = inDirectory('deep/er/kek')
    expect(await refusal({ file })).toMatch('KEY_UNAVAILABLE')
    const [created = key] = await load({ file, create: true })
    expect(created).toHaveLength(32)
    expect(await load({ file, create: true })).toEqual([created])
    expect(await load({ file })).toEqual([created])
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readFileSync(file, 'utf8').trim()).toBe(base64(created))
    expect(readdirSync(path.dirname(file))).toEqual(['kek'])
  })
})

describe('a program', () => {
  const commandOf = (script: string): KeySettings['command'] => {
    const file = inDirectory(`program-${randomBytes(4).toString('hex')}`)
    writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o700 })
    return { program: file, arguments: ['one two', '$HOME'], path: '/usr/bin:/bin' }
  }

  test('gives the keys that it prints, without a shell, and with nothing but PATH and its arguments', async () => {
    const seen = inDirectory('seen')
    const script = `echo "$#|$1|$2|$(env | grep -v '^_=\\|^PWD=\\|^SHLVL=' | sort | tr '\\n' ' ')" > ${seen}; echo ${base64(key)}; echo ${base64(other)}`
    expect(await load({ command: commandOf(script) })).toEqual([key, other])
    expect(readFileSync(seen, 'utf8').trim()).toBe('2|one two|$HOME|PATH=/usr/bin:/bin')
  })

  test.each([
    ['fails', `echo ${base64(key)}; echo ${base64(key)} >&2; exit 3`, /GRIDBRIDGE_KEK_COMMAND ended with 3/],
    ['prints no key', `echo ${base64(key).slice(4)}`, /GRIDBRIDGE_KEK_COMMAND holds/],
    ['prints nothing', 'exit 0', /GRIDBRIDGE_KEK_COMMAND holds 0 keys/],
    ['prints without end', `while true; do echo ${base64(key)}; done`, /GRIDBRIDGE_KEK_COMMAND printed more than/],
  ])('that %s is refused, and nothing of what it printed is repeated', async (_what, script, said) => {
    const text = await refusal({ command: commandOf(script) })
    expect(text).toMatch(/^KEY_UNAVAILABLE/)
    expect(text).toMatch(said)
    expect(text).not.toContain(base64(key).slice(4))
  })

  test('that is not there or never ends is refused in time', async () => {
    const none = { program: inDirectory('nothing'), arguments: [], path: '' }
    expect(await refusal({ command: none })).toMatch(/GRIDBRIDGE_KEK_COMMAND could not be started/)
    const began = Date.now()
    expect(await refusal({ command: commandOf('exec sleep 60') })).toMatch(/took longer than 10 s/)
    expect(Date.now() - began).toBeLessThan(20_000)
  }, 30_000)
})
