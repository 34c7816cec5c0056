import { hash } from 'node:crypto'
import {
  reportSections,
  reportTitles,
  toSection,
  type Report,
  type ReportKind,
  type Section,
} from '../audit/reports.ts'
import { AppError } from '../errors.ts'
import { isDate } from '../feeds/formats.ts'
import type { Database, Query } from '../store/database.ts'
import { readDatabaseTime } from '../store/oversight.ts'
import { rowsOf } from '../store/report-figures.ts'
import { hasScheduledReport, insertReport, readReport, type KeptReport } from '../store/reports.ts'
import { repeat } from './repeat.ts'

export interface ReportRequest {
  readonly kind: ReportKind
  /** First and last day, yyyy-MM-dd, China Standard Time. */
  readonly from: string
  readonly to: string
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** A year and a leap day. */
const MOST_DAYS = 366

const startOfDay = (day: string): Date => new Date(`${day}T00:00:00+08:00`)
const dayOf = (at: number): string => new Date(at + 8 * HOUR_MS).toISOString().slice(0, 10)

/** Throws REQUEST_INVALID for what are no two days, the second not before the first, a year apart at most. */
function periodOf({ from, to }: ReportRequest): { readonly from: Date; readonly until: Date } {
  const days = isDate(from) && isDate(to) ? (Date.parse(to) - Date.parse(from)) / DAY_MS + 1 : 0
  if (days < 1 || days > MOST_DAYS)
    throw new AppError('REQUEST_INVALID', `from, to: wanted two days, yyyy-MM-dd, ${MOST_DAYS} days at most`)
  return { from: startOfDay(from), until: new Date(startOfDay(to).getTime() + DAY_MS) }
}

async function buildReport(query: Query, request: ReportRequest): Promise<Report> {
  const period = periodOf(request)
  const sections: Section[] = []
  for (const code of reportSections[request.kind]) sections.push(toSection(code, await rowsOf[code](query, period)))
  return { ...request, ...reportTitles[request.kind], sections }
}

export type MadeReport = KeptReport & { readonly report: Report }

/** Makes a report of the log as it is now and keeps it, which is audited with its digest; null where the scheduler has made it. Throws REQUEST_INVALID. */
export async function makeReport(
  database: Database,
  request: ReportRequest,
  actor: string,
): Promise<MadeReport | null> {
  const report = await buildReport(database.query, request)
  const content = JSON.stringify(report)
  const digest = hash('sha256', content)
  return database.transaction(async ({ query, audit }) => {
    const reportId = await insertReport(query, report, { content, digest, actor })
    if (reportId === null) return null
    const { kind, from, to } = request
    const fact = { actor, outcome: 'ok', object: `report/${reportId}`, outputDigest: digest } as const
    await audit({ ...fact, type: 'report.made', details: { kind, from, to } })
    return readReport(query, reportId)
  })
}

/** Monday to Sunday of the last week that is over. */
function lastWeek(now: Date): { readonly from: string; readonly to: string } {
  const local = now.getTime() + 8 * HOUR_MS
  const sinceMonday = (new Date(local).getUTCDay() + 6) % 7
  const monday = now.getTime() - sinceMonday * DAY_MS
  return { from: dayOf(monday - 7 * DAY_MS), to: dayOf(monday - DAY_MS) }
}

/** Makes the report of the last week, once, however many processes do this. */
export async function makeWeekly(database: Database, now: Date): Promise<void> {
  const { from, to } = lastWeek(now)
  if (await hasScheduledReport(database.query, 'weekly', from, to)) return
  await makeReport(database, { kind: 'weekly', from, to }, 'system:scheduler')
}

const EVERY_MS = 10 * 60_000

/** Makes each week's report until the function that it returns is called. */
export const startWeekly = (database: Database, onError: (error: unknown) => void): (() => Promise<void>) =>
  repeat(async () => makeWeekly(database, await readDatabaseTime(database.query)), { everyMs: EVERY_MS, onError })
