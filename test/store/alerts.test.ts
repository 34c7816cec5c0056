import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  acknowledgeAlert,
  clearObjectAlert,
  countOpenAlerts,
  findAlert,
  listAlerts,
  raiseAlert,
  raiseObjectAlert,
} from '../../src/store/alerts.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerFeed } from '../support/ledger.ts'

let installation: TestInstallation

beforeAll(async () => {
  installation = await openTestInstallation('alerts')
})
afterAll(() => installation.close())

const open = (department: string | null) =>
  listAlerts(installation.database.query, { department, isOpen: true, before: null, limit: 50 })
const raise = (object: string, department: string | null) =>
  installation.database.transaction((transaction) =>
    raiseObjectAlert(transaction, { kind: 'answer-overdue', object, department, details: { days: 10 } }),
  )

test('an alert may be about something that is no feed, and is open once', async () => {
  await raise('application/7', 'health')
  await raise('application/7', 'health')
  await raise('application/8', null)
  expect(await open('health')).toMatchObject([
    { kind: 'answer-overdue', feed: null, object: 'application/7', department: 'health', details: { days: 10 } },
  ])
  expect(await open('civil-affairs')).toEqual([])
  expect((await open(null)).map(({ object, department }) => [object, department])).toEqual([
    ['application/8', null],
    ['application/7', 'health'],
  ])
  const raised = await installation.asOwner(`select feed from audit.entry where event_type = 'alert.raised'`)
  expect(raised).toEqual([{ feed: null }, { feed: null }])
})

test('it is acknowledged or cleared by itself, and one about a feed stays as it is', async () => {
  const feed = await registerFeed(installation, 'LZ-GA-RK-001')
  await installation.database.transaction((transaction) =>
    raiseAlert(transaction, { kind: 'feed-stale', feed, runId: null, details: {} }),
  )
  const [about] = await open('health')
  if (about === undefined) throw new Error('wanted an alert')
  await installation.database.transaction((transaction) => acknowledgeAlert(transaction, about, 'account:owner'))
  expect(await findAlert(installation.database.query, about.alertId, 'health')).toMatchObject({
    acknowledgedBy: 'account:owner',
  })
  await clearObjectAlert(installation.database.query, 'application/8', 'provision-overdue')
  expect(await countOpenAlerts(installation.database.query)).toEqual({ 'answer-overdue': 1, 'feed-stale': 1 })
  await clearObjectAlert(installation.database.query, 'application/8', 'answer-overdue')
  expect(await open(null)).toMatchObject([{ kind: 'feed-stale', feed: 'LZ-GA-RK-001', object: null }])
})
