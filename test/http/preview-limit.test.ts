import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { registerAccount, type RegisteredAccount } from '../support/ledger.ts'
import { bearerOf, openDoor } from './door.ts'
import { at, openFeedStage, type FeedStage } from './feed-stage.ts'

const MOST = 3
const code = 'LZ-GA-RK-210'

let stage: FeedStage
let server: FastifyInstance
let account: RegisteredAccount
let accounts = 0

beforeAll(async () => {
  stage = await openFeedStage()
  server = await openDoor(stage.installation, { previewsPerHour: MOST })
  await stage.register(code)
})
afterAll(async () => {
  await server.close()
  await stage.close()
})
beforeEach(async () => {
  accounts += 1
  account = await registerAccount(stage.installation, `curious-${accounts}`, 'department-editor', 'public-security')
})

async function ask(who: RegisteredAccount = account) {
  const authorization = await bearerOf(server, who)
  return server.inject({ method: 'POST', url: at(code, '/preview'), headers: { authorization } })
}

const askTimes = async (times: number): Promise<readonly number[]> => {
  const statuses: number[] = []
  for (let time = 0; time < times; time++) statuses.push((await ask()).statusCode)
  return statuses
}

const previews = async (): Promise<readonly unknown[]> =>
  stage.installation.asOwner(`select from audit.entry where event_type = 'feed.previewed' and actor = $1`, [
    `account:${account.name}`,
  ])

describe('previews of one account', () => {
  test('are so many in an hour; the next one is told when to ask again, and shows nothing', async () => {
    expect(await askTimes(MOST)).toEqual([200, 200, 200])
    const refused = await ask()
    expect(refused.statusCode).toBe(429)
    expect(refused.json()).toMatchObject({ code: 'PREVIEWS_SPENT', status: 429, retry: true })
    expect(refused.json<{ detail: string }>().detail).toMatch(/^3 in an hour; ask again in 60 minutes$/)
    const seconds = Number(refused.headers['retry-after'])
    expect(seconds).toBeGreaterThan(3500)
    expect(seconds).toBeLessThanOrEqual(3600)
    expect(refused.body).not.toMatch(/张|19000101/)
    expect(await previews()).toHaveLength(MOST)
  })

  test('that were refused are in the audit log', async () => {
    await askTimes(MOST + 1)
    const [entry] = await stage.installation.asOwner<{ body: unknown }>(
      `select convert_from(body, 'UTF8')::jsonb as body from audit.entry where event_type = 'access.denied'
        order by recorded_at desc limit 1`,
    )
    expect(entry?.body).toMatchObject({
      actor: `account:${account.name}`,
      outcome: 'denied',
      feed: code,
      details: { reason: 'PREVIEWS_SPENT', action: 'feed.preview', mostInAnHour: MOST },
    })
  })

  test('are not more when they are asked for at once', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask()))
    expect(answers.map(({ statusCode }) => statusCode).toSorted((one, other) => one - other)).toEqual([
      200, 200, 200, 429, 429, 429, 429, 429,
    ])
    expect(await previews()).toHaveLength(MOST)
  })

  test('are counted over the last hour, and for each account by itself', async () => {
    expect(await askTimes(MOST + 1)).toEqual([200, 200, 200, 429])
    const officer = await registerAccount(stage.installation, `other-${accounts}`, 'security-administrator')
    expect((await ask(officer)).statusCode).toBe(200)
    const age = `update gridbridge.preview_use set asked_at = asked_at - $2::interval where account_id = $1`
    await stage.installation.asOwner(age, [account.accountId, '59 minutes'])
    const soon = await ask()
    expect([soon.statusCode, Number(soon.headers['retry-after']) <= 60]).toEqual([429, true])
    await stage.installation.asOwner(age, [account.accountId, '1 minute'])
    expect(await askTimes(MOST + 1)).toEqual([200, 200, 200, 429])
  })
})
