import type { FastifyInstance } from 'fastify'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { OversightCode } from '../../src/audit/oversight-texts.ts'
import { toEighteen } from '../../src/feeds/formats.ts'
import { judgeLog } from '../../src/jobs/oversight.ts'
import { listAlerts } from '../../src/store/alerts.ts'
import { saveThresholds } from '../../src/store/oversight.ts'
import { basic, bearerOf, openDoor } from '../http/door.ts'
import { exportContext, strangerRows, workToEnd } from '../support/exports.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import {
  registerAccount,
  registerConsumer,
  registerFeed,
  residentRows,
  storeRows,
  type ConsumerOptions,
} from '../support/ledger.ts'

let installation: TestInstallation
let server: FastifyInstance

beforeEach(async () => {
  installation = await openTestInstallation('oversight')
  server = await openDoor(installation)
})
afterEach(async () => {
  await server.close()
  await installation.close()
})

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const later = (minutes: number): Date => new Date(Date.now() + minutes * MINUTE)

async function findings(code: OversightCode): Promise<readonly (readonly [string, number])[]> {
  const rows = await installation.asOwner<{ about: string; count: string }>(
    `select about, figures->>'count' as count from gridbridge.oversight_finding where rule = $1 order by window_until, about`,
    [code],
  )
  return rows.map(({ about, count }) => [about, Number(count)])
}

const openAlerts = async (code: OversightCode) => {
  const filter = { department: null, isOpen: true, before: null, limit: 50 }
  return (await listAlerts(installation.database.query, filter)).filter(({ kind }) => kind === code)
}

/** Moves what was written to the moment, keeping its order, as if the traffic had been then. */
const moveTo = (at: string) =>
  installation.asOwner(
    `update audit.entry set recorded_at = $1::timestamptz + (recorded_at - (select min(recorded_at) from audit.entry))`,
    [at],
  )

async function enter(name: string, options: ConsumerOptions = {}) {
  const consumer = await registerConsumer(installation, name, options)
  const authorization = await bearerOf(server, consumer)
  return {
    ...consumer,
    get: (path: string) => server.inject({ url: `/api/v1/${path}`, headers: { authorization } }),
    post: (path: string, payload: unknown = {}) =>
      server.inject({
        method: 'POST',
        url: `/api/v1/${path}`,
        headers: { authorization, 'content-type': 'application/json' },
        payload: JSON.stringify(payload),
      }),
  }
}

async function times(count: number, work: (turn: number) => Promise<unknown>): Promise<void> {
  for (let turn = 0; turn < count; turn++) await work(turn)
}

const guess = (name: string) =>
  server.inject({
    method: 'POST',
    url: '/oauth/token',
    headers: { authorization: basic(name, 'a-guess'), 'content-type': 'application/x-www-form-urlencoded' },
    payload: 'grant_type=client_credentials',
  })

describe('denials', () => {
  test('twenty within minutes are found once, by whoever was refused; nineteen are not', async () => {
    const editor = await registerAccount(installation, 'mz-editor', 'department-editor', 'civil-affairs')
    const authorization = await bearerOf(server, editor)
    const quiet = await registerAccount(installation, 'auditor', 'audit-administrator')
    const quietly = await bearerOf(server, quiet)
    const probe = (as: string) => server.inject({ url: '/api/v1/oversight/rules', headers: { authorization: as } })
    const misuse = () =>
      server.inject({
        method: 'PUT',
        url: '/api/v1/oversight/rules/off-hours',
        headers: { authorization: quietly, 'content-type': 'application/json' },
        payload: '{"thresholds":{"count":9}}',
      })
    await times(20, () => probe(authorization))
    await times(19, misuse)
    await judgeLog(installation.database, later(3))
    expect(await findings('denials-burst')).toEqual([['account/mz-editor', 20]])
    await Promise.all([1, 2].map(() => judgeLog(installation.database, later(9))))
    expect(await findings('denials-burst')).toHaveLength(1)
    expect(await openAlerts('denials-burst')).toMatchObject([
      { object: 'account/mz-editor', department: null, details: { count: 20 } },
    ])
  })

  test('guessed secrets are found although nobody proved who it was', async () => {
    await times(20, () => guess('no-such-client'))
    await judgeLog(installation.database, later(3))
    expect(await findings('denials-burst')).toEqual([['client/unknown', 20]])
  })

  test('what happened while nothing judged is judged afterwards, each window once', async () => {
    await times(25, () => guess('no-such-client'))
    await judgeLog(installation.database, later(2))
    await times(25, () => guess('no-such-client'))
    await installation.asOwner(
      `update audit.entry set recorded_at = recorded_at + interval '40 minutes'
        where recorded_at > (select max(found_at) from gridbridge.oversight_finding)`,
    )
    await judgeLog(installation.database, later(120))
    expect(await findings('denials-burst')).toEqual([
      ['client/unknown', 25],
      ['client/unknown', 25],
    ])
    expect(await openAlerts('denials-burst')).toHaveLength(1)
  })
})

describe('look-ups', () => {
  const person = { certType: '111', certNumber: toEighteen('510502010101003') ?? '' }
  const about = (certNumber = person.certNumber) => ({
    subject: { ...person, certNumber },
    reason: '走访核实居住情况',
    caseNumber: 'AJ-1',
  })

  async function openRegister(): Promise<void> {
    await storeRows(installation, await registerFeed(installation, 'LZ-GA-RK-001'), [
      ...residentRows(1, 1, { zjhm: person.certNumber }),
      ...residentRows(2, 9),
    ])
  }

  test.each([
    ['a Wednesday night', '2026-11-18T22:05:00+08:00', true],
    ['a Wednesday morning', '2026-11-18T10:05:00+08:00', false],
    ['a Saturday morning', '2026-11-14T10:05:00+08:00', true],
    ['the morning of a Saturday that is worked in exchange', '2026-10-10T10:05:00+08:00', false],
    ['the morning of the National Day', '2026-10-01T10:05:00+08:00', true],
  ])('five on %s', async (_name, at, isFound) => {
    await openRegister()
    const asker = await enter('asker', { method: 'query' })
    await times(5, () => asker.post('datasets/resident/queries', about()))
    await moveTo(at)
    await judgeLog(installation.database, new Date(Date.parse(at) + 70 * MINUTE))
    expect(await findings('off-hours')).toEqual(isFound ? [['consumer/asker', 5]] : [])
  })

  test('pulls by machine at night are no look-ups', async () => {
    await openRegister()
    const copier = await enter('copier')
    await times(9, () => copier.get('datasets/resident/changes'))
    await moveTo('2026-11-18T03:05:00+08:00')
    await judgeLog(installation.database, new Date('2026-11-18T04:10:00+08:00'))
    expect(await findings('off-hours')).toEqual([])
  })

  test('of one person, again and again, are found without anybody’s number; of several persons they are not', async () => {
    await openRegister()
    const curious = await enter('curious', { method: 'query' })
    const busy = await enter('busy', { method: 'query' })
    await times(5, () => curious.post('datasets/resident/queries', about()))
    await times(4, () => busy.post('datasets/resident/queries', about()))
    await times(4, () => busy.post('datasets/resident/queries', about(toEighteen('510502030303003') ?? '')))
    await judgeLog(installation.database, later(70))
    const found = await findings('person-repeated')
    expect(found).toEqual([[expect.stringMatching(/^consumer\/curious\/person\/[0-9a-f]{32}$/), 5]])
    expect(JSON.stringify(await openAlerts('person-repeated'))).not.toContain(person.certNumber)
  })
})

describe('volume', () => {
  test('is compared with the own usual day', async () => {
    const { database, asOwner } = installation
    await storeRows(installation, await registerFeed(installation, 'LZ-GA-RK-001'), residentRows(1, 20))
    const [jump, steady] = [await enter('jump'), await enter('steady')]
    const pull = (who: typeof jump, count: number) => times(count, () => who.get('datasets/resident/changes'))
    await saveThresholds(database.query, 'volume-unusual', { records: 50 }, 'account:officer')
    await pull(jump, 1)
    await pull(steady, 5)
    // Five earlier days were like this.
    await asOwner(
      `insert into audit.entry (entry_id, recorded_at, lane_id, lane_seq, event_type, actor, outcome, dataset, count, body, leaf)
         select gen_random_uuid(), recorded_at - day * interval '1 day', gen_random_uuid(), 1, event_type, actor, outcome, dataset, count, body, leaf
           from audit.entry cross join generate_series(1, 5) as day where event_type = 'changes.pulled'`,
    )
    await pull(jump, 5)
    await judgeLog(database, later(70))
    // 120 records against a usual 20, and 100 against a usual 100.
    expect(await findings('volume-unusual')).toEqual([['consumer/jump', 120]])
    expect(await openAlerts('volume-unusual')).toMatchObject([{ details: { count: 120, usual: 20 } }])
  })
})

describe('agreements that ended', () => {
  test('are found where they still pull, and a dataset that was never granted is not', async () => {
    const { asOwner, database } = installation
    const [late, stopped, stranger] = [await enter('late'), await enter('stopped'), await enter('stranger')]
    await asOwner(`update gridbridge.agreement set valid_from = valid_from - interval '9 days', valid_to = clock_timestamp()
      where consumer_id = ${late.consumerId}`)
    await asOwner(`update gridbridge.agreement set suspended_at = clock_timestamp(), suspend_reason = 'PURPOSE_WITHDRAWN'
      where consumer_id = ${stopped.consumerId}`)
    await times(3, () => late.get('datasets/resident/changes'))
    await times(2, () => stopped.get('datasets/resident/changes'))
    await times(9, () => stranger.get('datasets/housing/changes'))
    await judgeLog(database, later(17))
    expect(await findings('agreement-ended')).toEqual([['consumer/late/dataset/resident', 3]])
    await stopped.get('datasets/resident/changes')
    await judgeLog(database, later(33))
    expect(await findings('agreement-ended')).toContainEqual(['consumer/stopped/dataset/resident', 3])
  })
})

test('downloads of exports are added up over a day', async () => {
  const { database } = installation
  await storeRows(installation, await registerFeed(installation, 'LZ-GA-RK-001'), strangerRows(1, 25))
  const [big, small] = [await enter('big'), await enter('small')]
  await saveThresholds(database.query, 'export-large', { records: 20 }, 'account:officer')
  for (const [who, most] of [
    [big, 3],
    [small, 1],
  ] as const) {
    const { exportId } = (await who.post('datasets/resident/exports')).json<{ exportId: number }>()
    await workToEnd(exportContext(installation), exportId)
    const { parts } = (await who.get(`exports/${exportId}/manifest`)).json<{ parts: readonly { url: string }[] }>()
    for (const { url } of parts.slice(0, most)) await who.get(url.replace(/^.*\/api\/v1\//, ''))
  }
  await judgeLog(database, later(17))
  expect((await findings('export-large')).map(([about]) => about)).toEqual(['consumer/big'])
  await judgeLog(database, new Date(Date.now() + DAY / 2))
  expect(await findings('export-large')).toHaveLength(1)
})
