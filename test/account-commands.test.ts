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

const add = (...given: readonly string[]) =>
  runCommand(['account', 'add', ...given, '--json'], environmentOf(installation))

test('account add prints the secret once and keeps a keyed hash of it', async () => {
  const ended = await add('civil-editor', '--role', 'department-editor', '--department', 'civil-affairs')
  expect(ended.code).toBe(0)
  const added = JSON.parse(ended.output) as { readonly secret: string }
  expect(added).toEqual({
    account: 'civil-editor',
    role: 'department-editor',
    department: 'civil-affairs',
    consumer: null,
    secret: expect.stringMatching(/^[\w-]{43}$/),
  })
  const [row] = await installation.asOwner<{ hash: Buffer }>('select secret_hash as hash from gridbridge.account')
  expect(row?.hash.toString('hex')).toBe(installation.keys.token('credential', added.secret))
  const disabled = await runCommand(['account', 'disable', 'civil-editor'], environmentOf(installation))
  expect([disabled.code, disabled.output]).toEqual([0, 'civil-editor is disabled\n'])
})

test('account add binds the engineer of a consumer to it', async () => {
  await registerConsumer(installation, 'grid-platform')
  const ended = await add('grid-engineer', '--role', 'consumer-engineer', '--consumer', 'grid-platform')
  expect(JSON.parse(ended.output)).toMatchObject({
    role: 'consumer-engineer',
    department: null,
    consumer: 'grid-platform',
  })
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
  const refusal = await refusalByCommand(installation, ['account', 'add', ...given])
  expect([refusal.exit, refusal.code, refusal.changed]).toEqual([2, code, false])
})

test('account add refuses a consumer that nobody registered', async () => {
  const given = ['someone', '--role', 'consumer-engineer', '--consumer', 'weather-office']
  const refusal = await refusalByCommand(installation, ['account', 'add', ...given])
  expect([refusal.code, refusal.changed]).toEqual(['CONSUMER_UNKNOWN', false])
})

test('account disable refuses a name that nobody has', async () => {
  const refusal = await refusalByCommand(installation, ['account', 'disable', 'nobody'])
  expect([refusal.code, refusal.changed]).toEqual(['ACCOUNT_UNKNOWN', false])
})
