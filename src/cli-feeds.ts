import type { Command } from 'commander'
import { collect, config, guarded, table, tell, type JsonOption } from './cli-output.ts'
import type { Preview } from './ingest/preview.ts'
import { previewManifest } from './preview-commands.ts'

/** One line for each field of each row: what came, what it was mapped to, what would rest. */
function drawPreview({ rows, fields, read }: Preview): string {
  const lines = rows.flatMap(({ row, mapped, masked, reasons, warnings }) => [
    ...fields
      .filter(({ name }) => mapped?.[name] !== undefined)
      .map(({ name, title, level }) => [row, `${name} ${title}`, level, mapped?.[name], masked?.[name] ?? '']),
    ...reasons.map(({ rule, field }) => [row, field ?? '', '', `✗ ${rule}`, '']),
    ...warnings.map((rule) => [row, '', '', `! ${rule}`, '']),
  ])
  return `${table(['row', 'field', 'level', 'mapped', 'masked'], lines)}\n${rows.length} of ${read} rows of the first page`
}

/** `gridbridge feed preview` */
export function addPreviewCommand(feed: Command): void {
  feed
    .command('preview')
    .description('预览前 20 行 / Show the first rows of a manifest raw, mapped and masked; nothing is kept')
    .argument('<manifest>', 'manifest file')
    .option('--set <pointer=value>', 'replace a value of the manifest', collect, [])
    .option('--secret <name=value>', 'a secret that the manifest names', collect, [])
    .option('--json')
    .action(
      guarded(
        async (
          file: string,
          options: JsonOption & { readonly set: readonly string[]; readonly secret: readonly string[] },
        ) => {
          const preview = await previewManifest(config(), file, options)
          tell(preview, options, () => drawPreview(preview))
        },
      ),
    )
}
