import { InvalidArgumentError, type Command } from 'commander'
import { config, guarded, NO, table, tell, type JsonOption } from './cli-output.ts'
import { runFeedNow } from './commands.ts'
import type { CertificateOfRun } from './http/run-schemas.ts'
import { askCompareNow } from './proof-commands.ts'
import { openProgressLine } from './cli-progress.ts'
import { readCertificate } from './run-commands.ts'
import type { Run } from './store/runs.ts'

function runNumber(value: string): number {
  const runId = Number(value)
  if (Number.isSafeInteger(runId) && runId >= 1) return runId
  throw new InvalidArgumentError('give the number of a run')
}

const runColumns = ['pulled', 'valid', 'rejected', 'inserted', 'updated', 'deleted', 'unchanged'] as const

const drawRun = (run: Run): string =>
  table(['run', 'state', ...runColumns], [[run.runId, run.reason ?? run.state, ...runColumns.map((name) => run[name])]])

/** The counts of a certificate in the order in which a row passes through them. */
function countsOf({ run }: CertificateOfRun): readonly (readonly [string, number | string])[] {
  return [
    ['source count 数源声明', run.sourceTotal ?? '—'],
    ['received 接收', run.pulled],
    ['valid 有效', run.valid],
    ['rejected 问题', run.rejected],
    ...Object.entries(run.rejectedByRule).map(([rule, rows]) => [`  ${rule}`, rows] as const),
    ['unchanged 未变', run.unchanged],
    ['withheld 限制接入', run.withheld],
    ['inserted 新增', run.inserted],
    ['updated 更新', run.updated],
    ['deleted 删除', run.deleted],
    ['merged 归并', run.merged],
  ]
}

function drawCertificate(certificate: CertificateOfRun): string {
  const { checks, statement, statementZh } = certificate
  return [
    table(['count 项目', 'rows 条数'], countsOf(certificate)),
    table(
      ['equation 等式', 'left', 'right', 'holds'],
      checks.map(({ zh, en, left, right, holds }) => [`${zh} ${en}`, left, right, holds ? 'yes' : 'NO']),
    ),
    statementZh,
    statement,
  ].join('\n')
}

interface RunOptions extends JsonOption {
  readonly wait?: boolean
  readonly compare?: boolean
}

async function runNow(code: string, options: RunOptions): Promise<void> {
  if (options.compare === true) await askCompareNow(config(), code)
  const line = options.json === true ? null : openProgressLine(process.stderr)
  try {
    const run = await runFeedNow(config(), code, options.wait === true, line?.show)
    line?.end()
    tell(run, options, () => drawRun(run))
    if (run.state === 'stopped') process.exitCode = NO
  } finally {
    line?.end()
  }
}

/** `gridbridge feed run` and `gridbridge run certificate` */
export function addRunCommands(program: Command, feed: Command): void {
  feed
    .command('run')
    .description('立即同步 / Run a feed now; a worker does the work')
    .argument('<feed>', 'feed code')
    .option('--wait', 'until the run has ended, showing rate and remaining time')
    .option('--compare', 'read everything and compare, whenever that is due')
    .option('--json')
    .action(guarded(runNow))

  program
    .command('run')
    .description('同步批次 / Runs')
    .command('certificate')
    .description('对账单 / Where every row of a run went: exit 1 when a difference is not explained')
    .argument('<run>', 'number of the run', runNumber)
    .option('--json')
    .action(
      guarded(async (runId: number, options: JsonOption) => {
        const certificate = await readCertificate(config(), runId)
        tell(certificate, options, () => drawCertificate(certificate))
        if (!certificate.explained) process.exitCode = NO
      }),
    )
}
