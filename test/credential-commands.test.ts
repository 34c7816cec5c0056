import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../src/config.ts'
import { rotateCredential } from '../src/credential-commands.ts'
import { codeOf } from './support/coded-error.ts'
import { environmentOf, runCommand } from './support/command-line.ts'
import { openTestInstallation, type TestInstallation } from './support/installation.ts'
import { registerConsumer } from './support/ledger.ts'

let installation: TestInstallation

beforeAll(async () => {
  installation = await openTestInstallation('cli')
  await registerConsumer(installation, 'grid-platform')
})
afterAll(() => installation.close())

const run = (...given: readonly string[]) => runCommand(['consumer', ...given], environmentOf(installation))

test('consumer rotate shows the next version once; the one before works on until it is retired in the same moment as a third is made', async () => {
  const rotated = await run('rotate', 'grid-platform', '--json')
  expect(rotated.code).toBe(0)
  const made = JSON.parse(rotated.output) as { readonly secret: string; readonly fingerprint: string }
  expect(made).toEqual({
    consumer: 'grid-platform',
    kind: 'secret',
    fingerprint: installation.keys.token('credential', made.secret).slice(0, 16),
    secret: expect.stringMatching(/^[\w-]{43}$/),
  })
  const config = loadConfig(environmentOf(installation))
  const next = { kind: 'secret', digest: 'sm3', retire: null } as const
  expect(await codeOf(() => rotateCredential(config, 'grid-platform', next))).toBe('CREDENTIALS_FULL')
  await rotateCredential(config, 'grid-platform', { ...next, retire: made.fingerprint })
  const listed = await run('credentials', 'grid-platform', '--json')
  expect(listed.output).not.toContain(made.secret)
  expect(JSON.parse(listed.output)).toMatchObject([
    { kind: 'secret', createdBy: 'system:test', retiredAt: null },
    { fingerprint: made.fingerprint, retiredAt: expect.any(String) },
    { kind: 'secret', createdBy: expect.stringMatching(/^operator:/), retiredAt: null },
  ])
})

test('a rotation that fails retires nothing', async () => {
  await registerConsumer(installation, 'careful')
  const config = loadConfig(environmentOf(installation))
  const living = async () =>
    installation.asOwner<{ fingerprint: string }>(
      `select fingerprint from gridbridge.credential join gridbridge.consumer using (consumer_id)
        where name = 'careful' and retired_at is null`,
    )
  const before = await living()
  const refusals = [
    ['careful', { kind: 'key', digest: 'sm3', retire: null }],
    ['careful', { kind: 'signing', digest: 'md5', retire: null }],
    ['careful', { kind: 'secret', digest: 'sm3', retire: '0'.repeat(16) }],
    ['nobody', { kind: 'secret', digest: 'sm3', retire: null }],
  ] as const
  const codes = []
  for (const [name, options] of refusals) codes.push(await codeOf(() => rotateCredential(config, name, options)))
  expect(codes).toEqual(['USAGE_INVALID', 'USAGE_INVALID', 'CREDENTIAL_UNKNOWN', 'CONSUMER_UNKNOWN'])
  expect(await living()).toEqual(before)
})
