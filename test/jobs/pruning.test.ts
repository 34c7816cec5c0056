import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { leafHash } from '../../src/audit/entry.ts'
import { agreeToPrune } from '../../src/jobs/pruning.ts'
import { codeOf } from '../support/coded-error.ts'
import type { TestInstallation } from '../support/installation.ts'
import { monthsAgo, openOldLog, startOf, type OldLog } from './pruning-stage.ts'

let log: OldLog
let installation: TestInstallation

beforeAll(async () => {
  log = await openOldLog()
  installation = log.installation
})
afterAll(() => log.close())

const countEntries = async (): Promise<number> => {
  const [row] = await installation.asOwner<{ n: string }>('select count(*) as n from audit.entry')
  return Number(row?.n)
}

describe('nobody can remove what is younger than 36 months', () => {
  test('not by asking for a younger month, nor for one that is not over', async () => {
    expect(await codeOf(() => log.ask(startOf(35)))).toBe('PRUNING_REFUSED')
    expect(await codeOf(() => log.ask(new Date()))).toBe('PRUNING_REFUSED')
  })

  /** What the application could write into the request, had it been taken over, and what the database says. */
  const lies = [
    [
      'a younger month',
      { period_until: `audit.prunable_until() + interval '1 month'` },
      'it is younger than 36 months',
    ],
    [
      'a month that is not whole',
      { period_until: `audit.prunable_until() - interval '1 day'` },
      'it does not end with a month',
    ],
    ['more entries than are old', { min_index: '768' }, 'an entry is younger than the months, or is missing'],
    ['an end of the log that nobody signed', { min_index: '1000192' }, 'it is not signed'],
    ['other ends of lanes', { lanes_digest: `sha256('')` }, 'the lanes end elsewhere'],
    ['a beginning that is not the log’s', { first_index: '256' }, 'the log was pruned since'],
    ['nobody who approved', { approved_by: 'null' }, 'no second person approved it'],
    ['an approval that is not in the log', {}, 'its approval is not in the signed log'],
  ] as const

  test.each(lies)('not by claiming %s', async (_name, lie) => {
    const before = await countEntries()
    const { pruningId } = await log.ask(startOf(36), `lie-${_name}`)
    const { query } = installation.database
    const columns = {
      period_from: 'period_from',
      period_until: 'period_until',
      first_index: 'first_index',
      min_index: 'min_index',
      compact_range: 'compact_range',
      lanes_digest: 'lanes_digest',
      archive_sha256: 'archive_sha256',
      archive_sm3: 'archive_sm3',
      requested_by: 'requested_by',
      ...lie,
    }
    const { approved_by: approver = `'account:made-up'`, ...told } = columns as typeof columns & {
      approved_by?: string
    }
    const [row] = await query<{ id: number }>(
      `insert into audit.pruning (${Object.keys(told).join(', ')})
         select ${Object.values(told).join(', ')} from audit.pruning where pruning_id = $1 returning pruning_id as id`,
      [pruningId],
    )
    await query(`update audit.pruning set approved_by = ${approver} where pruning_id = $1`, [row?.id])
    const refused = await log.carryOut(row?.id ?? 0).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'PRUNING_REFUSED', detail: lies.find(([name]) => name === _name)?.[2] })
    expect(await countEntries()).toBe(before + 1)
  })

  test('nor by approving it oneself', async () => {
    const { pruningId } = await log.ask(startOf(36), 'self')
    expect(await codeOf(() => agreeToPrune(installation.database, pruningId, 'operator:keeper'))).toBe('SECOND_PERSON')
    const self = installation.database.query(
      `update audit.pruning set approved_by = requested_by where pruning_id = ${pruningId}`,
    )
    await expect(self).rejects.toThrow('SQLSTATE 23514')
  })

  test('not as the application, as the pruner or as the auditor, whatever they say to the database', async () => {
    const { databaseUrl } = installation
    const statements = [
      'delete from audit.entry',
      'delete from audit.tree_leaf',
      'delete from audit.tile',
      'delete from audit.checkpoint',
      'delete from audit.lane',
      'delete from audit.lane_start',
      'truncate audit.entry',
      'update audit.entry set recorded_at = recorded_at',
      'update audit.state set min_index = 512',
      `update audit.pruning set period_until = now()`,
      `update audit.pruning set done_at = now()`,
      'delete from audit.pruning',
      'alter table audit.entry disable trigger entry_time',
      `create or replace function audit.prunable_until() returns timestamptz language sql as 'select now()'`,
      'select audit.refusal_to_prune(pruning) from audit.pruning',
    ]
    for (const role of ['gridbridge_app', 'gridbridge_pruner', 'gridbridge_auditor']) {
      const client = new Client({ connectionString: databaseUrl, options: `-c role=${role}` })
      await client.connect()
      const calls = role === 'gridbridge_pruner' ? [] : ['select audit.prune(1)']
      for (const statement of [...statements, ...calls]) {
        const error: unknown = await client.query(statement).catch((thrown: unknown) => thrown)
        expect((error as { code?: string }).code, `${role}: ${statement}`).toBe('42501')
      }
      await client.end()
    }
  })

  test('not by dating a new entry back', async () => {
    const { query } = installation.database
    const back = `select audit.open_lane('00000000-0000-4000-8000-000000000001', 'x')`
    await query(back)
    const body = Buffer.from(
      JSON.stringify({
        entryId: '00000000-0000-4000-8000-000000000002',
        recordedAt: monthsAgo(40).toISOString(),
        laneId: '00000000-0000-4000-8000-000000000001',
        laneSeq: 1,
        type: 'access.denied',
        actor: 'unknown',
        outcome: 'denied',
      }),
    )
    const append = query(`select audit.append('00000000-0000-4000-8000-000000000001', $1, $2, $3)`, [
      Buffer.alloc(32),
      body,
      leafHash(body),
    ])
    await expect(append).rejects.toThrow('SQLSTATE GB003')
    await installation.asOwner(`delete from audit.lane where lane_id = '00000000-0000-4000-8000-000000000001'`)
  })
})
