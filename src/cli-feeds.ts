import type { Command } from 'commander'
import { collect, config, guarded, table, tell, type JsonOption } from './cli-output.ts'
import { addFeed, type AddFeedOptions } from './commands.ts'
import { adviceOf } from './feeds/rules.ts'
import type { Preview } from './ingest/preview.ts'
import { previewManifest } from './preview-commands.ts'

/** Each rule that refused a row or warned, with what it means and what to do. */
function explainRules({ rows }: Preview): readonly string[] {
  const rules = rows.flatMap(({ reasons, warnings }) => [...reasons.map(({ rule }) => rule), ...warnings])
  return [...new Set(rules)].toSorted().map((rule) => {
    const { zh, en, adviceZh, adviceEn } = adviceOf(rule)
    return `${rule} ${zh}：${adviceZh} / ${en}. ${adviceEn}`
  })
}

const NOTHING =
  '来源无数据 / The source gave no rows. A dropped file is read once its marker lies beside it, and a posted batch by a run.'

/** One line for each field of each row: what it was mapped to, what would rest. */
function drawPreview(preview: Preview): string {
  const { rows, fields, read } = preview
  if (read === 0) return NOTHING
  const lines = rows.flatMap(({ row, mapped, masked, reasons, warnings }) => [
    ...fields
      .filter(({ name }) => mapped?.[name] !== undefined)
      .map(({ name, title, level }) => [row, `${name} ${title}`, level, mapped?.[name], masked?.[name] ?? '']),
    ...reasons.map(({ rule, field }) => [row, field ?? '', '', `✗ ${rule}`, '']),
    ...warnings.map((rule) => [row, '', '', `! ${rule}`, '']),
  ])
  const drawn = table(['row', 'field', 'level', 'mapped', 'masked'], lines)
  return [drawn, ...explainRules(preview), `${rows.length} of ${read} rows of the first page`].join('\n')
}

type ManifestOptions = JsonOption & AddFeedOptions

const manifestCommand = (feed: Command, name: string, description: string): Command =>
  feed
    .command(name)
    .description(description)
    .argument('<manifest>', 'manifest file')
    .option('--set <pointer=value>', 'replace a value of the manifest', collect, [])
    .option('--secret <name=value>', 'a secret that the manifest names', collect, [])
    .option('--json')

/** `gridbridge feed add` and `feed preview`: what is done with a manifest file. */
export function addManifestCommands(feed: Command): void {
  manifestCommand(feed, 'add', '登记数据接入 / Register a feed').action(
    guarded(async (file: string, options: ManifestOptions) => {
      const added = await addFeed(config(), file, options)
      tell(added, options, () => `${added.feed} → ${added.dataset}`)
    }),
  )
  const showing =
    '预览前 20 行 / Show the first rows of a manifest mapped and masked, with --json raw too; nothing is kept'
  manifestCommand(feed, 'preview', showing).action(
    guarded(async (file: string, options: ManifestOptions) => {
      const preview = await previewManifest(config(), file, options)
      tell(preview, options, () => drawPreview(preview))
    }),
  )
}
