import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addConsumer, addFeed, type AddConsumerOptions, type AddFeedOptions } from '../src/commands.ts'
import { loadConfig } from '../src/config.ts'
import { environmentOf, projectRoot, runCommand, type Ended } from './support/command-line.ts'
import { openTestInstallation, type TestInstallation } from './support/installation.ts'
import { publishTestItem } from './support/ledger.ts'
import { refusalBy, refusalByCommand, type Refusal } from './support/refusals.ts'

let installation: TestInstallation
let directory = ''
const residents = path.join(projectRoot, 'connectors/public-security/resident.json')
const secrets = ['--secret', 'appKey=key-word', '--secret', 'appSecret=hidden-word'] as const

beforeAll(async () => {
  installation = await openTestInstallation('cli')
  directory = mkdtempSync(path.join(tmpdir(), 'gridbridge-commands-'))
})
afterAll(async () => {
  rmSync(directory, { recursive: true })
  await installation.close()
})

const run = (...given: readonly string[]): Promise<Ended> => runCommand(given, environmentOf(installation))

function writeManifest(name: string, change: (manifest: Record<string, unknown>) => unknown): string {
  const file = path.join(directory, name)
  writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(residents, 'utf8')) as Record<string, unknown>)))
  return file
}

/** Refused with this code, told so, without a stack and without having changed anything. */
const refused = (code: string, telling: RegExp) => ({
  code,
  telling: expect.stringMatching(telling) as string,
  changed: false,
})

const refusedByCommand = (code: string, telling: RegExp) => ({ ...refused(code, telling), exit: 2, output: '' })

describe('feed add refuses, telling where and what, and changes nothing', () => {
  const given: AddFeedOptions = { set: [], secret: ['appKey=key-word', 'appSecret=hidden-word'] }
  const add = (file: string, change: Partial<AddFeedOptions> = {}): Promise<Refusal> =>
    refusalBy(installation, () => addFeed(loadConfig(environmentOf(installation)), file, { ...given, ...change }))

  test('a file that is no JSON, by one line on standard error and exit code 2', async () => {
    const file = path.join(directory, 'broken.json')
    writeFileSync(file, '{"manifestVersion": 1,')
    expect(await refusalByCommand(installation, ['feed', 'add', file])).toEqual(
      refusedByCommand('USAGE_INVALID', /^[^\n]*broken\.json is not JSON[^\n]*\n$/),
    )
  })

  test('a manifest with wrong places, each by its JSON pointer', async () => {
    const schedule = { cron: '61 2 * *', timezone: 'Asia/Nowhere' }
    const file = writeManifest('wrong.json', (manifest) => ({ ...manifest, schedule }))
    const refusal = await refusalByCommand(installation, ['feed', 'add', file, ...secrets])
    expect(refusal).toEqual(
      refusedByCommand('MANIFEST_INVALID', /\/schedule\/timezone: given .*Asia\/Nowhere.*, wanted an IANA/),
    )
    expect(refusal.telling).toMatch(/\/schedule\/cron: given .*, wanted five fields/)
    expect(refusal.telling).not.toMatch(/hidden-word|^\s+at /m)
  })

  test('missing secrets, by name', async () => {
    const refusal = await refusalByCommand(installation, ['feed', 'add', residents, '--secret', 'appKey=x'])
    expect(refusal).toEqual(refusedByCommand('SECRET_MISSING', /--secret appSecret=…/))
  })

  test('a file that is not there', async () => {
    expect(await add(path.join(directory, 'none.json'))).toEqual(refused('USAGE_INVALID', /none\.json cannot be read/))
  })

  test('a secret that the manifest does not name, without its value', async () => {
    const refusal = await add(residents, { secret: [...given.secret, 'other=hidden-word'] })
    expect(refusal).toEqual(refused('USAGE_INVALID', /no secret other$/))
  })

  test('a manifest that maps to a property the schema does not have', async () => {
    const file = writeManifest('unknown.json', (manifest) => {
      const map = manifest['map'] as readonly unknown[]
      return { ...manifest, map: [...map, { to: '/nickname', from: '/nc' }] }
    })
    expect(await add(file)).toEqual(refused('MANIFEST_INVALID', /\/map\/\d+/))
  })

  test('deletion by absence from a source that is read in part', async () => {
    const deletes = { kind: 'missing', guardRatio: 0.2 }
    const file = writeManifest('part.json', (manifest) => ({ ...manifest, deletes }))
    expect(await add(file)).toEqual(refused('MANIFEST_INVALID', /\/deletes\/kind: .*does not read everything/))
  })

  test.each([
    ['a place that is not there', '/source/baseUrls=http://x', /nothing at baseUrls/],
    ['no pointer', 'source=x', /JSON Pointer/],
    ['no value', '/source/baseUrl', /--set needs name=value/],
  ])('a setting with %s', async (_what, setting, telling) => {
    expect(await add(residents, { set: [setting] })).toEqual(refused('USAGE_INVALID', telling))
  })

  test('everything, in production without a database of its own', async () => {
    const config = loadConfig({ NODE_ENV: 'production' })
    const refusal = await refusalBy(installation, () => addFeed(config, residents, given))
    expect(refusal).toEqual(refused('CONFIG_INVALID', /set DATABASE_URL/))
  })
})

describe('feed add', () => {
  test('registers a feed once, with its secrets sealed, and refuses it the second time', async () => {
    const set = ['--set', '/source/baseUrl=http://127.0.0.1:9/'] as const
    const added = await run('feed', 'add', residents, ...secrets, ...set, '--json')
    expect([added.code, JSON.parse(added.output)]).toEqual([0, { feed: 'LZ-GA-RK-001', dataset: 'resident' }])
    const [row] = await installation.asOwner<{ text: string }>('select feed::text as text from gridbridge.feed')
    expect(row?.text).toContain('http://127.0.0.1:9/')
    expect(row?.text).not.toMatch(/hidden-word|key-word/)
    const entries = `select feed, actor like 'operator:%' as "byOperator" from audit.entry where event_type = 'feed.added'`
    expect(await installation.asOwner(entries)).toEqual([{ feed: 'LZ-GA-RK-001', byOperator: true }])
    expect(await refusalByCommand(installation, ['feed', 'add', residents, ...secrets])).toEqual(
      refusedByCommand('FEED_EXISTS', /LZ-GA-RK-001\n$/),
    )
  })

  test('is followed by feed list, and by a run that waits for a worker', async () => {
    const listed = await run('feed', 'list', '--json')
    const feed = { code: 'LZ-GA-RK-001', department: 'public-security', dataset: 'resident', state: 'active' }
    expect(JSON.parse(listed.output)).toMatchObject([feed])
    const asked = await run('feed', 'run', 'LZ-GA-RK-001', '--json')
    expect([asked.code, JSON.parse(asked.output)]).toEqual([
      0,
      expect.objectContaining({ state: 'pending', pulled: 0 }),
    ])
    expect(await refusalByCommand(installation, ['feed', 'run', 'LZ-GA-RK-999'])).toEqual(
      refusedByCommand('FEED_UNKNOWN', /LZ-GA-RK-999\n$/),
    )
  })
})

describe('item publish', () => {
  const item = [
    'item',
    'publish',
    'LZ-QD-002',
    '--name',
    '房屋信息核实',
    '--county',
    '510502',
    '--approval',
    '测试批准',
  ] as const

  test('puts an item on the service list', async () => {
    expect(await run(...item, '--json')).toMatchObject({ code: 0, output: '{"item":"LZ-QD-002"}\n' })
    const found = `select county, published_by from gridbridge.service_item where code = 'LZ-QD-002'`
    expect(await installation.asOwner(found)).toEqual([{ county: '510502', published_by: null }])
  })

  test.each([
    ['a punishment', ['--name', '行政处罚告知'], /Art. 15/],
    ['a county that is no code', ['--county', '江阳'], /--county/],
    ['a day that does not exist', ['--to', '2026-02-30'], /--from and --to/],
  ] as const)('refuses %s', async (_what, change, telling) => {
    const refusal = await refusalByCommand(installation, [...item, ...change])
    expect(refusal).toEqual(refusedByCommand('USAGE_INVALID', telling))
  })
})

describe('consumer add', () => {
  beforeAll(() => publishTestItem(installation.database))

  const given = [
    'consumer',
    'add',
    'grid-platform',
    '--datasets',
    'resident,housing',
    '--purpose',
    'LZ-QD-001',
  ] as const
  const options: AddConsumerOptions = {
    datasets: ['resident'],
    profile: 'P1_OPERATOR',
    purpose: 'LZ-QD-001',
    days: 1,
    webhook: null,
  }

  test('shows the secrets once, keeps neither in clear, and refuses the same name again', async () => {
    const added = await run(...given, '--webhook', 'http://127.0.0.1:9/webhook', '--json')
    const { clientSecret, webhookSecret } = JSON.parse(added.output) as { clientSecret: string; webhookSecret: string }
    expect([added.code, clientSecret.length, webhookSecret]).toEqual([0, 43, expect.stringMatching(/^whsec_/)])
    const [row] = await installation.asOwner<{ text: string }>('select consumer::text as text from gridbridge.consumer')
    expect(row?.text).not.toContain(clientSecret)
    expect(row?.text).not.toContain(webhookSecret)
    const subscriptions = 'select from gridbridge.agreement join gridbridge.subscription using (agreement_id)'
    expect(await installation.asOwner(subscriptions)).toHaveLength(2)
    expect(await refusalByCommand(installation, given)).toEqual(refusedByCommand('CONSUMER_EXISTS', /grid-platform\n$/))
  })

  test.each([
    ['a name with capitals', 'Grid', {}, 'USAGE_INVALID', /"Grid"/],
    [
      'an unknown dataset',
      'other',
      { datasets: ['resident', 'persons'] },
      'USAGE_INVALID',
      /no dataset persons; choose from .*resident/,
    ],
    ['an unknown profile', 'other', { profile: 'clear' }, 'AGREEMENT_INVALID', /"clear"; choose one of P0_RAW/],
    [
      'a purpose that is on no list',
      'other',
      { purpose: 'LZ-QD-404' },
      'AGREEMENT_INVALID',
      /\/purpose: wanted an item/,
    ],
    ['a webhook that is no URL', 'other', { webhook: 'ftp://x' }, 'USAGE_INVALID', /--webhook/],
  ] as const)('refuses %s and changes nothing', async (_what, name, change, code, telling) => {
    const config = loadConfig(environmentOf(installation))
    const refusal = await refusalBy(installation, () => addConsumer(config, name, { ...options, ...change }))
    expect(refusal).toEqual(refused(code, telling))
  })
})
