import { writeFileSync } from 'node:fs'
import type { ReportKind } from './audit/reports.ts'
import { operator, within, type Place } from './commands.ts'
import type { Config } from './config.ts'
import { AppError } from './errors.ts'
import { makeReport } from './jobs/audit-reports.ts'
import { askToPrune, carryOutPruning } from './jobs/pruning.ts'
import { writeReportCsv } from './jobs/report-csv.ts'
import { openDatabase } from './store/database.ts'

export interface ReportOptions {
  readonly from: string
  readonly to: string
  /** A new file; its name ends with .csv or .json. */
  readonly out: string
}

/** `audit report`: makes a report, keeps it and writes it into a new file. Throws REQUEST_INVALID, USAGE_INVALID. */
export async function reportAudit(
  place: Place,
  kind: ReportKind,
  { from, to, out }: ReportOptions,
): Promise<{ readonly report: number; readonly digest: string; readonly file: string }> {
  if (!/\.(csv|json)$/.test(out)) throw new AppError('USAGE_INVALID', '--out: give a file that ends with .csv or .json')
  return within(place, async ({ database }) => {
    const made = await makeReport(database, { kind, from, to }, operator())
    if (made === null) throw new AppError('INTERNAL')
    const { report, reportId, digest } = made
    try {
      const text = out.endsWith('.csv') ? writeReportCsv(report) : JSON.stringify(report)
      writeFileSync(out, text, { mode: 0o600, flag: 'wx' })
    } catch (error) {
      throw new AppError(
        'USAGE_INVALID',
        `report ${reportId} was made and kept; --out is there already or cannot be written`,
        {
          cause: error,
        },
      )
    }
    return { report: reportId, digest, file: out }
  })
}

/** `audit prune ask`: archives everything from before a month and asks for its removal. Throws PRUNING_REFUSED, AUDIT_BROKEN, USAGE_INVALID. */
export async function askPruning(
  place: Place,
  month: string,
  folder: string,
): Promise<{
  readonly pruning: number
  readonly archive: string
  readonly entries: number
  readonly sha256: string
  readonly sm3: string
}> {
  const until = new Date(/^\d{4}-(0[1-9]|1[0-2])$/.test(month) ? `${month}-01T00:00:00+08:00` : Number.NaN)
  if (Number.isNaN(until.getTime())) throw new AppError('USAGE_INVALID', '--before: give a month, yyyy-MM')
  return within(place, async ({ database }) => {
    const asked = await askToPrune(database, { until, folder, actor: operator() })
    const { pruningId: pruning, archive, minIndex, firstIndex, archiveSha256: sha256, archiveSm3: sm3 } = asked
    return { pruning, archive, entries: minIndex - firstIndex, sha256, sm3 }
  })
}

/** `audit prune run`: removes what a second person approved, as the login of the pruner. Throws PRUNING_REFUSED. */
export async function runPruning(config: Config, pruningId: number): Promise<{ readonly removed: number }> {
  return within(config, async ({ database, databaseUrl }) => {
    const url = config.prunerDatabaseUrl ?? databaseUrl
    const pruner = openDatabase({ url, processName: 'pruner', connections: 1, role: 'gridbridge_pruner' })
    try {
      return { removed: await carryOutPruning({ application: database, pruner }, pruningId, operator()) }
    } finally {
      await pruner.close()
    }
  })
}
