import type { Report, ReportKind } from '../audit/reports.ts'
import { AppError } from '../errors.ts'
import type { Query } from './database.ts'

/** A report that was made and is kept. */
export interface KeptReport {
  readonly reportId: number
  readonly kind: ReportKind
  readonly from: string
  readonly to: string
  readonly madeBy: string
  readonly madeAt: Date
  /** SHA-256 of its JSON, in hexadecimal; the audit entry of its making has the same. */
  readonly digest: string
}

const COLUMNS = `report_id as "reportId", kind, period_from::text as from, period_to::text as to, made_by as "madeBy", made_at as "madeAt",
  encode(digest, 'hex') as digest`

/** Keeps a report; null where the scheduler made the same before. */
export async function insertReport(
  query: Query,
  report: Report,
  { content, digest, actor }: { readonly content: string; readonly digest: string; readonly actor: string },
): Promise<number | null> {
  const [row] = await query<{ reportId: number }>(
    `insert into audit_report (kind, period_from, period_to, made_by, digest, content) values ($1, $2, $3, $4, decode($5, 'hex'), $6)
       on conflict (kind, period_from, period_to) where made_by = 'system:scheduler' do nothing returning report_id as "reportId"`,
    [report.kind, report.from, report.to, actor, digest, content],
  )
  return row?.reportId ?? null
}

/** Whether the scheduler made this report. */
export async function hasScheduledReport(query: Query, kind: ReportKind, from: string, to: string): Promise<boolean> {
  const rows = await query(
    `select from audit_report where kind = $1 and period_from = $2 and period_to = $3 and made_by = 'system:scheduler'`,
    [kind, from, to],
  )
  return rows.length > 0
}

/** The newest first, 200 at most. */
export const listReports = (query: Query, kind: ReportKind | null): Promise<readonly KeptReport[]> =>
  query<KeptReport>(
    `select ${COLUMNS} from audit_report where $1::text is null or kind = $1 order by report_id desc limit 200`,
    [kind],
  )

/** Throws REPORT_UNKNOWN. */
export async function readReport(query: Query, reportId: number): Promise<KeptReport & { readonly report: Report }> {
  const [row] = await query<KeptReport & { readonly content: string }>(
    `select ${COLUMNS}, content from audit_report where report_id = $1`,
    [reportId],
  )
  if (row === undefined) throw new AppError('REPORT_UNKNOWN', `report ${reportId}`)
  const { content, ...kept } = row
  return { ...kept, report: JSON.parse(content) as Report }
}
