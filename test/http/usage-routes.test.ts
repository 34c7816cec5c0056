import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { registerConsumer } from '../support/ledger.ts'
import { openUsageStage, police, welfare, type UsageStage } from './usage-stage.ts'

let stage: UsageStage

beforeAll(async () => {
  stage = await openUsageStage()
})
afterAll(() => stage.close())

const today = new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 10)

async function ask<Body>(who: string, path: string): Promise<Body> {
  const headers = { authorization: stage.tokens[who] ?? '' }
  const response = await stage.server.inject({ url: `/api/v1/usage${path}`, headers })
  expect([path, response.statusCode]).toEqual([path, 200])
  return response.json<Body>()
}

interface Use {
  readonly consumer: string
  readonly dataset: string
  readonly agreement: string
  readonly answers: number
  readonly records: number
  readonly persons: number
  readonly purposes: readonly string[]
  readonly lastUsedAt: string | null
  readonly feeds: readonly { readonly feed: string; readonly records: number }[]
}
interface Entry extends Use {
  readonly day: string
  readonly feed: string
  readonly department: string | null
}

describe('usage', () => {
  const used = async (who: string, query = '') => (await ask<{ agreements: readonly Use[] }>(who, query)).agreements

  test.each(['grid-platform', 'system-administrator'])(
    'tells %s what left under the own agreements, by purpose and feed, and when last',
    async (who) => {
      const [own, ...rest] = await used(who)
      expect(rest).toEqual([])
      expect(own).toMatchObject({
        agreement: expect.stringMatching(/^\d+@2$/),
        consumer: 'grid-platform',
        dataset: 'resident',
      })
      // 5 + 5 + 0 + 2 + 1 records; the tombstone names nobody.
      expect(own).toMatchObject({ answers: 5, records: 13, persons: 12, purposes: ['LZ-QD-001', 'LZ-QD-002'] })
      expect(own?.feeds.map(({ feed, records }) => [feed, records])).toEqual([
        [police, 10],
        [welfare, 3],
      ])
      expect(Date.now() - Date.parse(own?.lastUsedAt ?? '')).toBeLessThan(60_000)
    },
  )

  test.each(['officer', 'auditor', 'engineer'])(
    'tells the %s of every agreement, those too that were not used',
    async (who) => {
      expect((await used(who)).map(({ consumer, answers, records }) => [consumer, answers, records])).toEqual([
        ['grid-platform', 5, 13],
        ['hotline', 1, 0],
        ['idle', 0, 0],
      ])
    },
  )

  test('tells a department what was made of its own feeds', async () => {
    const [platform, hotline, ...rest] = await used('mz-editor')
    expect(rest).toEqual([])
    expect(platform).toMatchObject({
      consumer: 'grid-platform',
      records: 3,
      persons: 2,
      feeds: [{ feed: welfare, department: 'civil-affairs' }],
    })
    expect(hotline).toMatchObject({ consumer: 'hotline', records: 0, feeds: [] })
    expect(await used('health-editor')).toEqual([])
  })

  test('counts within the days that are asked for', async () => {
    expect(
      (await used('officer', '?from=2024-01-01&to=2024-12-31')).map(({ answers, records, purposes, lastUsedAt }) => [
        answers,
        records,
        purposes,
        lastUsedAt,
      ]),
    ).toEqual(Array.from({ length: 3 }, () => [0, 0, [], null]))
    expect((await used('officer', `?from=${today}&to=${today}`))[0]).toMatchObject({ answers: 5, records: 13 })
  })
})

describe('the ledger', () => {
  const told = async (who: string, query = '') =>
    ask<{ entries: readonly Entry[]; cursor: string | null }>(who, `/ledger${query}`)

  test('tells a department who received how much of its feeds on which day, and nothing of others', async () => {
    const { entries, cursor } = await told('mz-editor')
    expect(cursor).toBeNull()
    expect(entries).toEqual([
      expect.objectContaining({
        day: today,
        consumer: 'grid-platform',
        dataset: 'resident',
        feed: welfare,
        department: 'civil-affairs',
        records: 3,
        persons: 2,
        answers: 1,
        purposes: ['LZ-QD-001', 'LZ-QD-002'],
      }),
    ])
    expect((await told('ga-editor')).entries.map(({ feed, records }) => [feed, records])).toEqual([[police, 10]])
    expect((await told('health-editor')).entries).toEqual([])
    expect((await told('hotline')).entries).toEqual([])
  })

  test('comes page by page, whole and without repeats', async () => {
    await stage.installation.asOwner(
      `insert into gridbridge.agreement_use_stripe (agreement_id, day, feed_id, answers, records, persons)
         select agreement_id, current_date - back, feed_id, 1, back, 0 from gridbridge.agreement, gridbridge.feed, generate_series(2, 9) back`,
    )
    const whole = (await told('officer')).entries
    const paged: Entry[] = []
    for (let cursor = ''; ;) {
      const page = await told('officer', `?limit=7&cursor=${cursor}`)
      paged.push(...page.entries)
      if (page.cursor === null) break
      cursor = page.cursor
    }
    expect(whole).toHaveLength(8 * 3 * 2 + 2)
    expect(paged).toEqual(whole)
    expect(whole.map(({ day }) => day)).toEqual(whole.map(({ day }) => day).toSorted())
    await stage.installation.asOwner('delete from gridbridge.agreement_use_stripe where day < current_date - 1')
  })

  test('shows merged persons to the departments that they are merged of, and to no other', async () => {
    const { query } = stage.installation.database
    const consumer = await registerConsumer(stage.installation, 'persons-platform', { dataset: 'person', forms: {} })
    await stage.installation.asOwner(
      `insert into gridbridge.person_cursor select dataset_id, '', '0', 0 from gridbridge.dataset where name = 'resident'`,
    )
    await stage.installation.asOwner(
      `insert into gridbridge.agreement_use_stripe select agreement_id, current_date, 0, 1, 40, 40 from gridbridge.agreement where consumer_id = $1`,
      [consumer.consumerId],
    )
    const merged = async (who: string) =>
      (await told(who)).entries.filter(({ consumer: name }) => name === consumer.name)
    expect(await merged('mz-editor')).toMatchObject([{ feed: 'GB-PERSON-001', department: null, records: 40 }])
    expect(await merged('health-editor')).toEqual([])
    const list = await ask<{ entries: readonly Entry[] }>('mz-editor', '/sharing-list')
    expect(list.entries.filter(({ dataset }) => dataset === 'person')).toHaveLength(1)
    await query('update agreement set valid_to = clock_timestamp() where consumer_id = $1', [consumer.consumerId])
  })
})

test.each([
  ['?from=2026-13-01', 'REQUEST_INVALID'],
  ['?from=2026-02-30', 'REQUEST_INVALID'],
  ['?from=2026-02-02&to=2026-02-01', 'REQUEST_INVALID'],
  ['?from=2000-01-01', 'REQUEST_INVALID'],
  ['?to=yesterday', 'REQUEST_INVALID'],
  ['/ledger?cursor=AAAA', 'CURSOR_INVALID'],
  [`/ledger?cursor=${Buffer.from('1.2026-02-30.1.1').toString('base64url')}`, 'CURSOR_INVALID'],
])('%s is refused', async (path, code) => {
  const headers = { authorization: stage.tokens['officer'] ?? '' }
  const response = await stage.server.inject({ url: `/api/v1/usage${path}`, headers })
  expect([response.statusCode, response.json<{ code: string }>().code]).toEqual([400, code])
})
