import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { environmentOf, projectRoot, runCommand, type Ended } from './support/command-line.ts'
import { openTestInstallation, type TestInstallation } from './support/installation.ts'

let installation: TestInstallation
let directory = ''
const residents = path.join(projectRoot, 'connectors/public-security/resident.json')

beforeAll(async () => {
  installation = await openTestInstallation('cli')
  directory = mkdtempSync(path.join(tmpdir(), 'gridbridge-cli-'))
  // Root's embedded server runs as another user, who must be able to walk to its data.
  chmodSync(directory, 0o711)
})
afterAll(async () => {
  rmSync(directory, { recursive: true })
  await installation.close()
})

const run = (...given: readonly string[]): Promise<Ended> => runCommand(given, environmentOf(installation))

describe('what was used wrongly ends with 2 and one line that names it', () => {
  test.each([
    ['an unknown option', ['feed', 'add', residents, '--nope'], /unknown option '--nope'/],
    ['an unknown command', ['feeds'], /unknown command 'feeds'/],
    ['a missing option', ['consumer', 'add', 'grid-platform', '--datasets', 'resident'], /--purpose/],
    ['a role that is none', ['start', '--role', 'king'], /choose from api, worker, scheduler/],
  ])('%s', async (_what, given, telling) => {
    const ended = await run(...given)
    expect([ended.code, ended.output]).toEqual([2, ''])
    expect(ended.errors.trim().split('\n')[0]).toMatch(telling)
  })
})

test('a start that is refused half way ends what was started: the process is over', async () => {
  const tls = { TLS_CERT_FILE: path.join(directory, 'none.crt'), TLS_KEY_FILE: path.join(directory, 'none.key') }
  const ended = await runCommand(['start'], { ...environmentOf(installation), PORT: '0', ...tls })
  expect([ended.code, ended.output]).toEqual([2, ''])
  expect(ended.errors).toMatch(/CONFIG_INVALID: .*TLS_CERT_FILE names a file that cannot be read/)
})

describe('a setting that is wrong ends with 2 and one line', () => {
  const otherKey = Buffer.alloc(32).toString('base64')
  test.each([
    ['a port', { PORT: 'http' }, /^CONFIG_INVALID: [^\n]*PORT is "http"; give a whole number from 0 to 65535\n$/],
    [
      'another key',
      { GRIDBRIDGE_KEK: otherKey },
      /^KEY_UNAVAILABLE: [^\n]*data key \d+ needs key-encryption key [\da-f]{16}, which GRIDBRIDGE_KEK did not give\n$/,
    ],
  ])('%s', async (_what, change, telling) => {
    const startedAt = Date.now()
    const ended = await runCommand(['feed', 'list'], { ...environmentOf(installation), ...change })
    expect([ended.code, ended.output, ended.errors]).toEqual([2, '', expect.stringMatching(telling)])
    expect(ended.errors).not.toContain(otherKey)
    expect(Date.now() - startedAt).toBeLessThan(8000)
  })

  test('a database that was not migrated, until it is', async () => {
    const client = new Client({ connectionString: inject('serverUrl') })
    await client.connect()
    const name = `${new URL(installation.databaseUrl).pathname.slice(1)}_fresh`
    await client.query(`create database ${name}`)
    await client.end()
    const at = (url: string): string => new URL(`/${name}`, url).href
    const service = environmentOf({ databaseUrl: at(installation.databaseUrl) })
    const environment = { ...service, OWNER_DATABASE_URL: at(installation.ownerUrl) }
    const before = await runCommand(['feed', 'list'], environment)
    expect([before.code, before.errors]).toEqual([
      2,
      expect.stringMatching(/^DATABASE_OUTDATED: [^\n]*run gridbridge migrate[^\n]*\n$/),
    ])
    const migrated = await runCommand(['migrate', '--json'], environment)
    const applied = expect.arrayContaining(['0001-ledger', '0002-audit']) as readonly string[]
    expect([migrated.code, JSON.parse(migrated.output)]).toEqual([0, { applied }])
    expect((await runCommand(['feed', 'list', '--json'], environment)).output).toBe('[]\n')
  })
})

test('on the embedded database an exit code is what it is anywhere else, and nothing is left running', async () => {
  const data = path.join(directory, 'embedded')
  const ended = await runCommand(['feed', 'run', 'LZ-GA-RK-001'], { GRIDBRIDGE_DATA: data })
  expect([ended.code, ended.output, ended.errors]).toEqual([2, '', expect.stringMatching(/^FEED_UNKNOWN: [^\n]*\n$/)])
  const { port } = JSON.parse(readFileSync(path.join(data, 'postgresql.json'), 'utf8')) as { readonly port: number }
  const client = new Client({ host: '127.0.0.1', port, user: 'gridbridge', database: 'gridbridge' })
  await expect(client.connect()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

describe('check', () => {
  test('finds the connectors that ship in order', async () => {
    const { code, output } = await run('check', '--json')
    const result = JSON.parse(output) as {
      readonly datasets: readonly string[]
      readonly manifests: number
      readonly faults: readonly string[]
    }
    expect([code, result.faults]).toEqual([0, []])
    expect(result.datasets).toEqual(expect.arrayContaining(['address', 'entity', 'grid', 'housing', 'resident']))
    expect(result.manifests).toBeGreaterThanOrEqual(5)
  })

  test('names file and place of each fault, and ends with 2', async () => {
    const folder = path.join(directory, 'connectors/public-security')
    mkdirSync(folder, { recursive: true })
    copyFileSync(residents, path.join(folder, 'good.json'))
    const wrong = readFileSync(residents, 'utf8').replace('"manifestVersion": 1', '"manifestVersion": 7')
    writeFileSync(path.join(folder, 'wrong.json'), wrong)
    writeFileSync(path.join(folder, 'broken.json'), 'x')
    const { code, output } = await run('check', path.join(directory, 'connectors'), '--json')
    const { faults, manifests } = JSON.parse(output) as {
      readonly faults: readonly string[]
      readonly manifests: number
    }
    expect([code, manifests, faults.length]).toEqual([2, 3, 2])
    expect(faults[0]).toMatch(/broken\.json is not JSON/)
    expect(faults[1]).toMatch(/wrong\.json: .*\/manifestVersion: given 7, wanted/s)
  })
})

describe('doctor', () => {
  interface Finding {
    readonly check: string
    readonly ok: boolean
  }

  test('finds everything well', async () => {
    const { code, output } = await run('doctor', '--json')
    const findings = JSON.parse(output) as readonly Finding[]
    expect(findings.map(({ check }) => check)).toEqual(expect.arrayContaining(['node', 'egress', 'database', 'queue']))
    expect(findings.filter(({ ok }) => !ok)).toEqual([])
    expect(code).toBe(0)
  })

  test('names what is not well and ends with 1', async () => {
    const { code, output } = await runCommand(['doctor', '--json'], {
      ...environmentOf(installation),
      GRIDBRIDGE_EGRESS_ALLOW: '',
      DATABASE_URL: 'postgresql://nobody:hidden-word@127.0.0.1:1/none',
      REDIS_URL: 'redis://127.0.0.1:1',
    })
    const wrong = (JSON.parse(output) as readonly Finding[]).filter(({ ok }) => !ok)
    expect([code, wrong.map(({ check }) => check)]).toEqual([1, ['egress', 'database', 'keys', 'queue', 'signing']])
    expect(output).not.toContain('hidden-word')
  })
})

test('the help tells every command in both languages', async () => {
  const outputs = await Promise.all([run('--help'), run('feed', '--help'), run('consumer', '--help')])
  for (const { code, output } of outputs) {
    expect(code).toBe(0)
    const lines = output.split('Commands:\n')[1]?.split('\n') ?? []
    const commands = lines.filter((line) => /^ {2}[a-z]/.test(line) && !/^ {2}help/.test(line))
    expect(commands.length).toBeGreaterThan(0)
    for (const command of commands) expect(command).toMatch(/^ {2}[a-z]+.*\p{Script=Han}+ \/ [A-Z]/u)
  }
})
