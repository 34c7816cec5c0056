import type { Query } from './database.ts'
import { findRun, type Run } from './runs.ts'

/** One equation over the counts of a run: what went in must be what came out. */
export interface ReconciliationCheck {
  readonly id: 'source-count' | 'received' | 'valid' | 'rejected' | 'stored-rejections'
  readonly en: string
  readonly zh: string
  readonly left: number
  readonly right: number
  readonly difference: number
  readonly holds: boolean
}

/** Where every row of a run went. Derived from the run's own row, which no longer changes once the run is over. */
export interface Reconciliation {
  readonly run: Run
  readonly checks: readonly ReconciliationCheck[]
  /** False: some rows are not accounted for. Only a run that is done claims to be complete. */
  readonly isExplained: boolean
}

interface Facts {
  readonly run: Run
  /** Rejections of the run in the table, whatever became of them. */
  readonly storedRejections: number
  /** Whether the run before was stopped, so that this one went on in the middle of what the source counts. */
  readonly wentOn: boolean
}

const texts = {
  'source-count': { en: 'rows the source stated = rows received', zh: '数源声明条数 = 接收条数' },
  received: { en: 'received = valid + rejected', zh: '接收 = 有效 + 问题' },
  valid: {
    en: 'valid = inserted + updated + deleted by the source + unchanged + withheld',
    zh: '有效 = 新增 + 更新 + 数源删除 + 未变 + 限制接入',
  },
  rejected: { en: 'rejected = sum over the rules', zh: '问题 = 各规则之和' },
  'stored-rejections': { en: 'rejected = rejections kept for the department', zh: '问题 = 留存的问题数据' },
} as const

function check(id: ReconciliationCheck['id'], left: number, right: number): ReconciliationCheck {
  return { id, ...texts[id], left, right, difference: left - right, holds: left === right }
}

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0)

/** The equations of a run that hold for its kind. */
function reconcileRun({ run, storedRejections, wentOn }: Facts): Reconciliation {
  const isSync = run.kind === 'sync'
  const isCounted = isSync && run.state === 'done' && run.sourceTotal !== null && !wentOn
  const checks = [
    ...(isCounted ? [check('source-count', run.sourceTotal ?? 0, run.pulled)] : []),
    check('received', run.pulled, run.valid + run.rejected),
    check('valid', run.valid, run.inserted + run.updated + (run.deleted - run.removed) + run.unchanged + run.withheld),
    check('rejected', run.rejected, sum(run.rejectedByRule)),
    ...(isSync ? [check('stored-rejections', run.rejected, storedRejections)] : []),
  ]
  return { run, checks, isExplained: checks.every(({ holds }) => holds) }
}

/** Throws RUN_UNKNOWN. */
export async function readReconciliation(query: Query, runId: number): Promise<Reconciliation> {
  const run = await findRun(query, runId)
  const [facts] = await query<{ storedRejections: number; wentOn: boolean }>(
    `select (select count(*) from rejection where rejection.run_id = run.run_id) as "storedRejections",
            coalesce((select earlier.state = 'stopped' from run as earlier
                       where earlier.feed_id = run.feed_id and earlier.run_id < run.run_id and earlier.kind = 'sync'
                       order by earlier.run_id desc limit 1), false) as "wentOn"
       from run where run_id = $1`,
    [runId],
  )
  return reconcileRun({ run, storedRejections: facts?.storedRejections ?? 0, wentOn: facts?.wentOn ?? false })
}
