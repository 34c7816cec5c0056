import { Argument, InvalidArgumentError, type Command } from 'commander'
import { reportKinds, type ReportKind } from './audit/reports.ts'
import { config, guarded, tell, type JsonOption } from './cli-output.ts'
import { askPruning, reportAudit, runPruning, type ReportOptions } from './oversight-commands.ts'

const plainly = (value: object): string =>
  Object.entries(value)
    .map(([name, member]) => `${name}: ${member}`)
    .join('\n')

function pruningNumber(value: string): number {
  const number = Number(value)
  if (Number.isInteger(number) && number > 0) return number
  throw new InvalidArgumentError('give the number that `audit prune ask` printed')
}

function addReport(audit: Command): void {
  audit
    .command('report')
    .description(
      '生成审计报告 / Make a report: weekly, the ledger of what was provided, or the yearly compliance audit',
    )
    .addArgument(new Argument('<kind>').choices(reportKinds))
    .requiredOption('--from <day>', 'first day, yyyy-MM-dd')
    .requiredOption('--to <day>', 'last day')
    .requiredOption('--out <file>', 'a new file, .csv or .json')
    .option('--json')
    .action(
      guarded(async (kind: string, options: ReportOptions & JsonOption) => {
        const made = await reportAudit(config(), kind as ReportKind, options)
        tell(made, options, () => plainly(made))
      }),
    )
}

function addPrune(audit: Command): void {
  const prune = audit.command('prune').description('清除已归档的旧月份 / Remove months older than 36, with proof')
  prune
    .command('ask')
    .description('归档并申请清除 / Archive everything from before a month, check the archive, and ask for its removal')
    .requiredOption('--before <month>', 'the first month that stays, yyyy-MM')
    .requiredOption('--out <folder>', 'where the archive is written')
    .option('--json')
    .action(
      guarded(async (options: { readonly before: string; readonly out: string } & JsonOption) => {
        const asked = await askPruning(config(), options.before, options.out)
        tell(asked, options, () => plainly(asked))
      }),
    )
  prune
    .command('run')
    .description('执行已批准的清除 / Remove what a second person approved')
    .argument('<number>', 'number of the request', pruningNumber)
    .option('--json')
    .action(
      guarded(async (number: number, options: JsonOption) => {
        const done = await runPruning(config(), number)
        tell(done, options, () => plainly(done))
      }),
    )
}

/** `gridbridge audit report` and `gridbridge audit prune …` */
export function addOversightCommands(audit: Command): void {
  addReport(audit)
  addPrune(audit)
}
