import { afterAll, beforeAll, expect, test } from 'vitest'
import { environmentOf, runCommand } from './support/command-line.ts'
import { openTestInstallation, type TestInstallation } from './support/installation.ts'
import { registerConsumer } from './support/ledger.ts'
import { refusalByCommand } from './support/refusals.ts'

let installation: TestInstallation

beforeAll(async () => {
  installation = await openTestInstallation('cli')
})
afterAll(() => installation.close())

const entriesOf = async (type: string): Promise<readonly unknown[]> => {
  const rows = await installation.asOwner<{ body: Buffer }>('select body from audit.entry where event_type = $1', [
    type,
  ])
  return rows.map(({ body }) => JSON.parse(String(body)) as unknown)
}

const add = (...given: readonly string[]) =>
  runCommand(['account', 'add', ...given, '--json'], environmentOf(installation))

const person = ['--person', 'LZ-0001'] as const

test('account add makes the first holder of an administration, and shows its enrolment code once', async () => {
  const ended = await add('first-officer', '--role', 'security-administrator', '--person', 'LZ-0001')
  expect(JSON.parse(ended.output)).toEqual({
    account: 'first-officer',
    role: 'security-administrator',
    department: null,
    consumer: null,
    enrolmentCode: expect.stringMatching(/^[\w-]{16}\.[\w-]{16}$/),
    requestId: null,
    firstHalf: null,
  })
  expect(await entriesOf('account.added')).toMatchObject([{ details: { bootstrap: true } }])
})

test('account add only asks for the second holder and for every other role', async () => {
  const second = await add('second-officer', '--role', 'security-administrator', '--person', 'LZ-0002')
  const editor = await add(
    'civil-editor',
    '--role',
    'department-editor',
    '--department',
    'civil-affairs',
    '--person',
    'LZ-3',
  )
  for (const { output } of [second, editor])
    expect(JSON.parse(output)).toMatchObject({ enrolmentCode: null, requestId: expect.any(Number) })
  expect(await installation.asOwner('select name from gridbridge.account')).toEqual([{ name: 'first-officer' }])
  expect(await entriesOf('account.requested')).toHaveLength(2)
})

test('account add makes nobody the holder of two administrations, and gives nobody two accounts', async () => {
  const given = ['other', '--role', 'system-administrator', '--person', ' lz-0001']
  const refusal = await refusalByCommand(installation, ['account', 'add', ...given])
  expect([refusal.code, refusal.changed]).toEqual(['PERSON_HAS_ACCOUNT', false])
})

test('account add binds the engineer of a consumer to it', async () => {
  await registerConsumer(installation, 'grid-platform')
  const ended = await add(
    'grid-engineer',
    '--role',
    'consumer-engineer',
    '--consumer',
    'grid-platform',
    '--person',
    'LZ-9',
  )
  expect(JSON.parse(ended.output)).toMatchObject({
    role: 'consumer-engineer',
    department: null,
    consumer: 'grid-platform',
  })
})

test('account disable ends an account', async () => {
  const disabled = await runCommand(['account', 'disable', 'first-officer'], environmentOf(installation))
  expect([disabled.code, disabled.output]).toEqual([0, 'first-officer is disabled\n'])
  const again = await add('next-officer', '--role', 'security-administrator', '--person', 'LZ-0004')
  expect(JSON.parse(again.output)).toMatchObject({ enrolmentCode: expect.any(String) })
})

test('account add does not repeat a staff number that is none', async () => {
  const given = ['someone', '--role', 'audit-administrator', '--person', '张三']
  const refusal = await refusalByCommand(installation, ['account', 'add', ...given])
  expect([refusal.code, refusal.changed, refusal.telling.includes('张三')]).toEqual(['REQUEST_INVALID', false, false])
})

test.each([
  ['a role that does not exist', ['someone', '--role', 'king'], 'USAGE_INVALID'],
  ['a department role without a department', ['someone', '--role', 'department-editor'], 'USAGE_INVALID'],
  [
    'a city role with a department',
    ['someone', '--role', 'audit-administrator', '--department', 'civil-affairs'],
    'USAGE_INVALID',
  ],
  ['an owner of data without a department', ['someone', '--role', 'data-owner'], 'USAGE_INVALID'],
  ['an engineer of no consumer', ['someone', '--role', 'consumer-engineer'], 'USAGE_INVALID'],
  [
    'a city role with a consumer',
    ['someone', '--role', 'audit-administrator', '--consumer', 'grid-platform'],
    'USAGE_INVALID',
  ],
  ['a name that is no name', ['Some One', '--role', 'audit-administrator'], 'USAGE_INVALID'],
])('account add refuses %s and changes nothing', async (_what, given, code) => {
  const refusal = await refusalByCommand(installation, ['account', 'add', ...given, ...person])
  expect([refusal.exit, refusal.code, refusal.changed]).toEqual([2, code, false])
})

test('account add refuses a consumer that nobody registered', async () => {
  const given = ['someone', '--role', 'consumer-engineer', '--consumer', 'weather-office', '--person', 'LZ-0005']
  const refusal = await refusalByCommand(installation, ['account', 'add', ...given])
  expect([refusal.code, refusal.changed]).toEqual(['CONSUMER_UNKNOWN', false])
})

test('account disable refuses a name that nobody has', async () => {
  const refusal = await refusalByCommand(installation, ['account', 'disable', 'nobody'])
  expect([refusal.code, refusal.changed]).toEqual(['ACCOUNT_UNKNOWN', false])
})
