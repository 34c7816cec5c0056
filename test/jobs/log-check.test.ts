import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkDue, checkLog, startLogCheck, type LogCheckContext } from '../../src/jobs/log-check.ts'
import { listAlerts } from '../../src/store/alerts.ts'
import { openDatabase, type Database } from '../../src/store/database.ts'
import { listLogChecks } from '../../src/store/log-check.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { placeAll } from '../support/old-log.ts'

let installation: TestInstallation
let sequencer: Database
let context: LogCheckContext

const saved = { type: 'page.saved', actor: 'system:worker', outcome: 'ok' } as const

async function append(entries: number): Promise<void> {
  const { database } = installation
  for (let turn = 0; turn < entries; turn += 20)
    await database.transaction(({ audit }) => audit(...Array.from({ length: 20 }, (_, count) => ({ ...saved, count }))))
  await placeAll(sequencer)
}

beforeEach(async () => {
  installation = await openTestInstallation('checks', 2)
  const { databaseUrl: url, database, databaseUrl } = installation
  sequencer = openDatabase({ url, processName: 'sequencer', connections: 1, role: 'gridbridge_sequencer' })
  context = { database, databaseUrl }
  await append(600)
})
afterEach(async () => {
  await sequencer.close()
  await installation.close()
})

const alarms = async () => {
  const filter = { department: null, isOpen: true, before: null, limit: 9 }
  return (await listAlerts(installation.database.query, filter)).map(({ kind, object }) => [kind, object])
}

test('a log that nobody touched is whole, looked at further each time, and nothing is raised', async () => {
  expect(await checkLog(context, 'new')).toMatchObject({ state: 'whole', entries: 600, upto: 600 })
  await append(300)
  expect(await checkLog(context, 'new')).toMatchObject({ state: 'whole', upto: 900, fault: null })
  await append(20)
  expect(await checkLog(context, 'new')).toMatchObject({ state: 'whole', entries: 920, upto: 920 })
  expect(await alarms()).toEqual([])
  expect(await checkLog(context, 'whole')).toMatchObject({ state: 'undecided', fault: 'no checkpoint was signed' })
  expect(await alarms()).toEqual([])
})

const at = (index: number): string =>
  `(lane_id, lane_seq) = (select lane_id, lane_seq from audit.tree_leaf where leaf_index = ${index})`

describe('what a superuser changes is found at the next look, wherever it is', () => {
  const tamperings = [
    [
      'a body',
      `update audit.entry set body = convert_to(replace(convert_from(body, 'UTF8'), '"ok"', '"no"'), 'UTF8') where ${at(17)}`,
    ],
    ['a column', `update audit.entry set actor = 'nobody' where ${at(599)}`],
    ['an entry that is gone', `delete from audit.entry where ${at(300)}`],
    [
      'a hash of a tile',
      `update audit.tile set hashes = overlay(hashes placing sha256('') from 33) where tile_level = 0 and tile_index = 0`,
    ],
    [
      'a hash above the tiles',
      `update audit.tile set hashes = overlay(hashes placing sha256('') from 1) where tile_level = 1`,
    ],
    ['a place of the tree that is gone', 'delete from audit.tree_leaf where leaf_index = 20'],
    [
      'an entry that was put in',
      `insert into audit.entry select gen_random_uuid(), recorded_at, gen_random_uuid(), 1, event_type, actor, outcome, feed, dataset, count, body, leaf
         from audit.entry limit 1`,
    ],
    [
      'an entry whose hashes were made anew',
      `update audit.entry set body = convert_to('{}', 'UTF8'), leaf = sha256('\\x00'::bytea || convert_to('{}', 'UTF8')) where ${at(40)}`,
    ],
  ] as const

  test.each(tamperings)('%s', async (_name, statement) => {
    await checkLog(context, 'new')
    await installation.asOwner(statement)
    expect(await checkLog(context, 'new')).toMatchObject({ state: 'tampered' })
    expect(await alarms()).toEqual([['log-tampered', 'audit/log']])
    expect(await listLogChecks(installation.database.query)).toMatchObject([{ scope: 'new', state: 'tampered' }])
    const [entry] = await installation.asOwner(`select outcome from audit.entry where event_type = 'log.checked'`)
    expect(entry).toEqual({ outcome: 'failed' })
  })
})

test('it is looked at by itself, and again only when it is due', async () => {
  const errors: unknown[] = []
  const stop = startLogCheck(context, (error) => errors.push(error))
  const { query } = installation.database
  for (let scopes = 0; scopes < 2;) scopes = (await listLogChecks(query)).length
  await stop()
  expect(errors).toEqual([])
  await installation.asOwner(`update audit.entry set actor = 'nobody' where ${at(5)}`)
  await checkDue(context)
  expect(await alarms()).toEqual([])
  await installation.asOwner(`update gridbridge.log_check set began_at = began_at - interval '10 minutes'`)
  await checkDue(context)
  expect(await alarms()).toEqual([['log-tampered', 'audit/log']])
})
