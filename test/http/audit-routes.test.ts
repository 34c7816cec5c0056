import { hash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkLog } from '../../src/jobs/log-check.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { employAll, type Office } from '../support/office.ts'
import { openDoor } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance
let url = ''
let office: Office

beforeAll(async () => {
  installation = await openTestInstallation('audit-routes')
  server = await openDoor(installation)
  url = await server.listen({ host: '127.0.0.1', port: 0 })
  office = await employAll(installation, url)
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

const entriesOf = (type: string) =>
  installation.asOwner<{ actor: string; object: string }>(
    `select actor, convert_from(body, 'UTF8')::jsonb->>'object' as object from audit.entry where event_type = $1`,
    [type],
  )

const REPORTS = '/api/v1/audit/reports'
const week = { kind: 'weekly', from: '2026-11-16', to: '2026-11-22' }

describe('a report', () => {
  test('is made by the audit administrator, kept, read with an entry each time, and taken to a spreadsheet', async () => {
    const made = await office.auditor.post(REPORTS, week)
    expect([made.status, made.body.madeBy, made.body.zh]).toEqual([200, 'account:auditor', '审计周报'])
    const { reportId, digest } = made.body
    const read = await office.officer.get(`${REPORTS}/${reportId}`)
    expect([read.status, read.body]).toEqual([200, made.body])
    expect(await entriesOf('report.read')).toEqual([{ actor: 'account:officer', object: `report/${reportId}` }])
    const { body } = await office.auditor.get(`${REPORTS}?kind=weekly`)
    expect(body.reports).toMatchObject([{ reportId, digest }])
    expect(digest).toMatch(/^[0-9a-f]{64}$/)
    const csv = await office.auditor.get(`${REPORTS}/${reportId}?format=csv`)
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(csv.headers.get('content-disposition')).toBe('attachment; filename="weekly-2026-11-16-2026-11-22.csv"')
    expect(csv.body).toContain('审计周报')
  })

  test('is neither made nor read by other roles, and one that is not there is told so', async () => {
    const answers = [
      await office.officer.post(REPORTS, week),
      await office.engineer.get(REPORTS),
      await office.editor.get(`${REPORTS}/1`),
      await office.auditor.get(`${REPORTS}/99`),
      await office.auditor.post(REPORTS, { ...week, to: '2026-11-15' }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 404, 400])
  })

  test('is not answered where its reading cannot be written down', async () => {
    const revoked = 'execute on function audit.append(uuid, bytea, bytea, bytea)'
    await installation.asOwner(`revoke ${revoked} from gridbridge_app`)
    const { status, body } = await office.auditor.get(`${REPORTS}/1`)
    await installation.asOwner(`grant ${revoked} to gridbridge_app`)
    expect([status, body.code]).toEqual([503, 'AUDIT_UNAVAILABLE'])
  })
})

test('how the log was found is read by those who inspect it, and by whoever watches the metrics', async () => {
  await checkLog(installation, 'new')
  const { body } = await office.auditor.get('/api/v1/audit/checks')
  expect(body.checks).toMatchObject([{ scope: 'new', state: 'whole', fault: null }])
  expect((await office.engineer.get('/api/v1/audit/checks')).status).toBe(403)
  const metrics = await (await fetch(`${url}/metrics`)).text()
  expect(metrics).toContain('gridbridge_audit_check_whole{scope="new"} 1')
  expect(metrics).toMatch(/gridbridge_audit_check_age_seconds\{scope="new"\} \d/)
})

describe('a pruning', () => {
  beforeAll(async () => {
    const digest = Buffer.from(hash('sha256', ''), 'hex')
    await installation.database.query(
      `insert into audit.pruning (period_from, period_until, first_index, min_index, compact_range, lanes_digest, archive_sha256, archive_sm3, requested_by)
         values ('2023-09-30T16:00:00Z', '2023-10-31T16:00:00Z', 0, 256, $1, $1, $1, $1, 'operator:keeper')`,
      [digest],
    )
  })

  test('is approved by the audit administrator alone, which is written down with everything that will be left', async () => {
    const path = '/api/v1/audit/prunings/1/approve'
    expect((await office.officer.post(path)).status).toBe(403)
    expect((await office.engineer.post(path)).status).toBe(403)
    const { status, body } = await office.auditor.post(path)
    expect([status, body.approvedBy, body.doneAt]).toEqual([200, 'account:auditor', null])
    await office.auditor.post(path)
    expect(await entriesOf('pruning.approved')).toEqual([{ actor: 'account:auditor', object: 'pruning/1' }])
    const listed = await office.engineer.get('/api/v1/audit/prunings')
    expect(listed.body.prunings).toMatchObject([{ pruningId: 1, minIndex: 256, requestedBy: 'operator:keeper' }])
    expect((await office.auditor.post('/api/v1/audit/prunings/9/approve')).status).toBe(404)
  })
})
