import { afterAll, beforeAll, expect, test } from 'vitest'
import { insertCredential, listCredentials } from '../../src/store/credentials.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer } from '../support/ledger.ts'

let installation: TestInstallation

beforeAll(async () => {
  installation = await openTestInstallation()
})
afterAll(() => installation.close())

const certificate = (letter: string) => ({ kind: 'certificate', fingerprint: letter.repeat(43) }) as const

test('two that are made in the same moment get a place each', async () => {
  const { database } = installation
  const { consumerId } = await registerConsumer(installation, 'grid-platform')
  const begun = Promise.withResolvers<void>()
  const first = database.transaction(async ({ query }) => {
    await insertCredential(query, consumerId, certificate('a'), 'system:test')
    begun.resolve()
    await query('select pg_sleep(0.3)')
  })
  await begun.promise
  await database.transaction(({ query }) => insertCredential(query, consumerId, certificate('b'), 'system:test'))
  await first
  const made = await listCredentials(database.query, consumerId)
  expect(made.filter(({ kind }) => kind === 'certificate')).toHaveLength(2)
})

test('the database itself takes no third, and keeps no secret of one that was retired', async () => {
  const { consumerId } = await registerConsumer(installation, 'second-platform')
  const insert = (place: number, fingerprint: string) =>
    installation.database.query(
      `insert into credential (consumer_id, kind, place, fingerprint, created_by) values ($1, 'certificate', $2, $3, 'system:test')`,
      [consumerId, place, fingerprint],
    )
  await insert(1, 'a')
  await insert(2, 'b')
  await expect(insert(2, 'c')).rejects.toMatchObject({ detail: 'SQLSTATE 23505' })
  await expect(insert(3, 'c')).rejects.toMatchObject({ detail: 'SQLSTATE 23514' })
  const retiring = installation.database.query(
    `update credential set retired_at = now() where consumer_id = $1 and kind = 'secret'`,
    [consumerId],
  )
  await expect(retiring).rejects.toMatchObject({ detail: 'SQLSTATE 23514' })
})
