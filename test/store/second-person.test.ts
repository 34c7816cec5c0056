import { afterAll, beforeAll, expect, test } from 'vitest'
import { createManifest } from '../feeds/sample-manifest.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerAccount, registerFeed } from '../support/ledger.ts'

/** What the tables themselves refuse, whatever the program above them does. */
let installation: TestInstallation
let feedId = 0
let people: readonly number[] = []

beforeAll(async () => {
  installation = await openTestInstallation('api')
  ;({ feedId } = await registerFeed(installation, 'LZ-GA-RK-001'))
  const accounts = [
    await registerAccount(installation, 'one', 'department-editor', 'public-security'),
    await registerAccount(installation, 'two', 'department-reviewer', 'public-security'),
    await registerAccount(installation, 'three', 'security-administrator'),
  ]
  people = accounts.map(({ accountId }) => accountId)
})
afterAll(() => installation.close())

interface Version {
  readonly state?: string
  readonly author?: number | undefined
  readonly submitted?: number | undefined
  readonly reviewed?: number | undefined
  readonly approved?: number | undefined
  readonly passed?: boolean
  readonly gate?: boolean
}

/** A version of another feed number each time, as the application role writes it. The SQLSTATE of the refusal, or `kept`. */
async function insert(version: Version): Promise<string> {
  const [one, two, three] = people
  const { state = 'testing', author = one, submitted = one, reviewed = two, approved = three } = version
  const gate = version.gate === false ? null : '{}'
  const inserting = installation.database.query(
    `insert into feed_version (feed_id, version, state, origin, manifest, author_id, submitted_by, reviewed_by, approved_by,
                               test_report, legal_basis, catalogue)
       values ($1, (select max(version) + 1 from feed_version), $2, 'account', $3, $4, $5, $6, $7, $8, $9, $9)`,
    [
      feedId,
      state,
      JSON.stringify(createManifest()),
      author,
      submitted,
      reviewed,
      approved,
      JSON.stringify({ passed: version.passed ?? true }),
      gate,
    ],
  )
  const outcome = await inserting.then(
    () => 'kept',
    (error: { detail: string }) => error.detail,
  )
  await installation.asOwner(`delete from gridbridge.feed_version where origin = 'account'`)
  return outcome
}

const REFUSED = 'SQLSTATE 23514'

test('a version with three different people is kept', async () => {
  expect(await insert({})).toBe('kept')
})

test.each<readonly [string, (ids: readonly number[]) => Version]>([
  ['its author reviews it', ([one]) => ({ reviewed: one })],
  [
    'who submitted it reviews it',
    ([one, two, three]) => ({ author: three, submitted: one, reviewed: one, approved: two }),
  ],
  ['its author approves it', ([one]) => ({ approved: one })],
  ['who reviewed it approves it', ([, two]) => ({ approved: two })],
])('it is refused that %s', async (_what, version) => {
  expect(await insert(version(people))).toBe(REFUSED)
})

test.each<readonly [string, string, string]>([
  ['department-review', 'submitted_by', 'nobody submitted'],
  ['security-review', 'reviewed_by', 'nobody reviewed'],
  ['testing', 'approved_by', 'nobody approved'],
])('a version in %s has %s', async (state, column) => {
  const columns = ['submitted_by', 'reviewed_by', 'approved_by']
  const [one, two, three] = people
  const signatures = [one, two, three].map((id, place) => (columns[place] === column ? null : id))
  const inserting = installation.database.query(
    `insert into feed_version (feed_id, version, state, origin, manifest, author_id, submitted_by, reviewed_by, approved_by)
       values ($1, 90, $2, 'account', '{}', $3, $4, $5, $6)`,
    [feedId, state, one, ...signatures],
  )
  await expect(inserting).rejects.toMatchObject({ detail: REFUSED })
})

test('nothing of an account is active without its gate and a passed test', async () => {
  await installation.asOwner(`update gridbridge.feed_version set state = 'retired' where feed_id = $1`, [feedId])
  expect(await insert({ state: 'active' })).toBe('kept')
  expect(await insert({ state: 'active', passed: false })).toBe(REFUSED)
  expect(await insert({ state: 'active', gate: false })).toBe(REFUSED)
})

test('the application role removes no version and no registered address', async () => {
  for (const table of ['feed_version', 'endpoint', 'service_item', 'account']) {
    await expect(installation.database.query(`delete from ${table}`)).rejects.toMatchObject({
      detail: 'SQLSTATE 42501',
    })
  }
})
