import { InvalidArgumentError, type Command } from 'commander'
import { collect, config, guarded, tell, type JsonOption } from './cli-output.ts'
import { AppError } from './errors.ts'
import { exportEvidence } from './evidence-commands.ts'
import type { Extent } from './jobs/evidence.ts'

function moment(value: string): string {
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$/.test(value) && !Number.isNaN(Date.parse(value)))
    return value
  throw new InvalidArgumentError('give a time with its zone, as 2026-11-01T00:00:00+08:00')
}

function leafIndex(value: string): number {
  if (/^\d{1,15}$/.test(value)) return Number(value)
  throw new InvalidArgumentError('give the index of an entry in the tree, from 0 on')
}

function entryId(value: string, before: readonly string[]): readonly string[] {
  if (/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(value)) return [...before, value]
  throw new InvalidArgumentError('give the id of an entry')
}

interface ExportOptions extends JsonOption {
  readonly out: string
  readonly verifier: readonly string[]
  readonly all?: boolean
  readonly from?: string
  readonly to?: string
  readonly fromIndex?: number
  readonly toIndex?: number
  readonly entry: readonly string[]
}

/** The one extent that the options name. Throws USAGE_INVALID for none and for two. */
function extentOf({ all, from, to, fromIndex, toIndex, entry }: ExportOptions): Extent {
  const named: readonly (Extent | false)[] = [
    all === true && { kind: 'whole' },
    (from ?? to) !== undefined && { kind: 'between', from: from ?? null, to: to ?? null },
    fromIndex !== undefined && toIndex !== undefined && { kind: 'range', from: fromIndex, to: toIndex },
    entry.length > 0 && { kind: 'entries', entryIds: entry },
  ]
  const [extent, second] = named.filter((one) => one !== false)
  if (extent !== undefined && second === undefined) return extent
  throw new AppError('USAGE_INVALID', 'give one of --all, --from with --to, --from-index with --to-index, or --entry')
}

/** `gridbridge audit export` */
export function addExport(audit: Command): void {
  audit
    .command('export')
    .description('导出审计证据包 / Write an evidence package that proves entries without this system')
    .requiredOption('--out <folder>', 'a new folder')
    .option('--verifier <key>', 'key of the log or of a witness, or a file of them; may be given again', collect, [])
    .option('--all', 'the whole tree, with what is not signed yet')
    .option('--from <time>', 'entries recorded at this time or after it', moment)
    .option('--to <time>', 'entries recorded before this time', moment)
    .option('--from-index <index>', 'entries from this place of the tree on', leafIndex)
    .option('--to-index <index>', 'up to but not with this place', leafIndex)
    .option('--entry <id>', 'one entry; may be given again', entryId, [])
    .option('--json')
    .action(
      guarded(async (options: ExportOptions) => {
        const made = await exportEvidence(config(), options.out, extentOf(options), options.verifier)
        tell(made, options, () =>
          Object.entries(made)
            .map(([name, fact]) => `${name}: ${fact}`)
            .join('\n'),
        )
      }),
    )
}
