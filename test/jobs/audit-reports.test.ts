import { hash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { auditItems, type Report, type SectionCode, sectionForms } from '../../src/audit/reports.ts'
import { makeReport, makeWeekly } from '../../src/jobs/audit-reports.ts'
import { writeReportCsv } from '../../src/jobs/report-csv.ts'
import { acknowledgeAlert, findAlert, listAlerts, raiseObjectAlert } from '../../src/store/alerts.ts'
import { listReports } from '../../src/store/reports.ts'
import { bearerOf, openDoor } from '../http/door.ts'
import { codeOf } from '../support/coded-error.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, registerFeed, residentRows, storeRows } from '../support/ledger.ts'

let installation: TestInstallation
let server: FastifyInstance

const today = new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 10)

beforeAll(async () => {
  installation = await openTestInstallation('reports')
  server = await openDoor(installation)
  await storeRows(installation, await registerFeed(installation, 'LZ-GA-RK-001'), residentRows(1, 7))
  const authorization = await bearerOf(server, await registerConsumer(installation, 'grid-platform'))
  for (let turn = 0; turn < 3; turn++)
    await server.inject({ url: '/api/v1/datasets/resident/changes', headers: { authorization } })
  await server.inject({ url: '/api/v1/datasets/housing/changes', headers: { authorization } })
  const { database } = installation
  const alert = {
    kind: 'denials-burst',
    object: 'consumer/grid-platform',
    department: null,
    details: { count: 20 },
  } as const
  await database.transaction((transaction) => raiseObjectAlert(transaction, alert))
  const [open] = await listAlerts(database.query, { department: null, isOpen: true, before: null, limit: 1 })
  const found = await findAlert(database.query, open?.alertId ?? 0, null)
  await database.transaction((transaction) => acknowledgeAlert(transaction, found, 'account:auditor'))
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

async function make(kind: Report['kind'], from = today, to = today): Promise<Report> {
  const made = await makeReport(installation.database, { kind, from, to }, 'account:auditor')
  if (made === null) throw new Error('wanted a report')
  return made.report
}

/** The rows of a table, each as an object. */
function rowsIn({ sections }: Report, code: SectionCode) {
  const section = sections.find(({ zh }) => zh === sectionForms[code].zh)
  return section?.rows.map((row) => Object.fromEntries(section.columns.map(({ name }, place) => [name, row[place]])))
}

test('the weekly report tells who accessed what for which purpose, who was refused, and what became of alerts', async () => {
  const report = await make('weekly')
  expect(rowsIn(report, 'accesses')).toEqual([
    {
      actor: 'consumer:grid-platform',
      purpose: 'LZ-QD-001',
      dataset: 'resident',
      event: 'changes.pulled',
      times: 3,
      records: 21,
    },
  ])
  expect(rowsIn(report, 'denials')).toEqual([
    { actor: 'consumer:grid-platform', reason: 'AGREEMENT_MISSING', dataset: 'housing', times: 1 },
  ])
  expect(rowsIn(report, 'alerts')).toMatchObject([
    { kind: 'denials-burst', about: 'consumer/grid-platform', acknowledgedBy: 'account:auditor', clearedAt: null },
  ])
  expect(rowsIn(report, 'log')).toContainEqual({ measure: 'first place that is kept', value: '0' })
})

test('the ledger tells who received which fields, when, for what, under which agreement and how much', async () => {
  expect(rowsIn(await make('provision', '2026-01-01', today), 'provisions')).toEqual([
    {
      day: today,
      consumer: 'grid-platform',
      agreement: '1@1',
      dataset: 'resident',
      purpose: 'LZ-QD-001',
      item: '实有人口信息采集核实',
      fields: 'gridCode:mask name:mask',
      area: '5105',
      method: 'changes.pulled',
      times: 3,
      records: 21,
      firstAt: expect.stringMatching(/\+08:00$/),
      lastAt: expect.stringMatching(/\+08:00$/),
    },
  ])
})

test('the yearly report has each item with its figures, its law and where to look', async () => {
  const rows = rowsIn(await make('yearly', '2026-01-01', today), 'items')
  expect(rows).toHaveLength(auditItems.length)
  expect(rows?.find(({ itemEn }) => itemEn === 'Provision to others')).toMatchObject({
    done: 3,
    refused: 0,
    law: /条例 12/,
  })
  expect(rows?.find(({ itemEn }) => itemEn === 'Access control')).toMatchObject({ refused: 1 })
})

test('what is made is kept with its digest, and its making is in the log', async () => {
  const made = await makeReport(installation.database, { kind: 'weekly', from: today, to: today }, 'account:auditor')
  expect(made?.digest).toBe(hash('sha256', JSON.stringify(made?.report)))
  const [entry] = await installation.asOwner<{ said: object }>(
    `select convert_from(body, 'UTF8')::jsonb as said from audit.entry where event_type = 'report.made' order by recorded_at desc limit 1`,
  )
  expect(entry?.said).toMatchObject({
    object: `report/${made?.reportId}`,
    outputDigest: made?.digest,
    actor: 'account:auditor',
  })
})

test.each([
  ['no day', '2026-02-30', '2026-03-01'],
  ['the wrong way round', '2026-03-02', '2026-03-01'],
  ['more than a year', '2025-01-01', '2026-01-02'],
])('a period is refused that is %s', async (_name, from, to) => {
  expect(await codeOf(() => make('weekly', from, to))).toBe('REQUEST_INVALID')
})

describe('each week', () => {
  test.each([
    ['a Monday, the moment it begins in China', '2026-11-22T16:00:00Z', '2026-11-16', '2026-11-22'],
    ['a Sunday, a second before it is over', '2026-11-29T15:59:59Z', '2026-11-16', '2026-11-22'],
    ['the next Monday', '2026-11-29T16:00:00Z', '2026-11-23', '2026-11-29'],
  ])('has its report, once: %s', async (_name, now, from, to) => {
    await Promise.all([1, 2, 3].map(() => makeWeekly(installation.database, new Date(now))))
    await makeWeekly(installation.database, new Date(now))
    const made = (await listReports(installation.database.query, 'weekly')).filter(
      ({ madeBy }) => madeBy === 'system:scheduler',
    )
    expect(made.filter((one) => one.from === from).map((one) => one.to)).toEqual([to])
  })
})

test('no cell of a spreadsheet begins a formula, and quotes do not break out of it', () => {
  const words = ['=1+1', '+1', '-1', '@x', '\t=1', '＝1', `a"b`, '1-2', 'plain']
  const section = {
    zh: '甲',
    en: 'A',
    columns: [{ name: 'x', zh: '乙', en: 'B' }],
    rows: [...words.map((word) => [word]), [-5], [null]],
  }
  const csv = writeReportCsv({ kind: 'weekly', from: today, to: today, zh: '周', en: 'W', sections: [section] })
  const lines = csv.split('\r\n')
  expect(csv.startsWith('\ufeff"')).toBe(true)
  expect(lines.slice(4, 13)).toEqual([
    `"'=1+1"`,
    `"'+1"`,
    `"'-1"`,
    `"'@x"`,
    `"'\t=1"`,
    `"'＝1"`,
    `"a""b"`,
    `"'1-2"`,
    `"plain"`,
  ])
  expect(lines.slice(13, 15)).toEqual(['-5', '""'])
})
