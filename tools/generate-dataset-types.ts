/**
 * Writes `src/feeds/dataset-types.ts`, the dataset schemas as TypeScript types. `--check` writes nothing and exits 1
 * where the file no longer is what the schemas say.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { compile, type JSONSchema } from 'json-schema-to-typescript'
import { loadDatasets, type Dataset } from '../src/feeds/datasets.ts'

const TARGET = fileURLToPath(new URL('../src/feeds/dataset-types.ts', import.meta.url))
const BANNER = '// Generated from schemas/*.schema.json by tools/generate-dataset-types.ts. Do not edit.\n'
const STYLE = { semi: false, singleQuote: true, printWidth: 120, trailingComma: 'all' } as const

/** Only what makes a type: titles would become type names of their own. */
function toTypeSchema({ properties }: Dataset): JSONSchema {
  const types = properties.map(({ name, type, values }) => [name, values === null ? { type } : { enum: [...values] }])
  return {
    type: 'object',
    additionalProperties: false,
    required: properties.filter((property) => property.required).map((property) => property.name),
    properties: Object.fromEntries(types),
  }
}

async function renderTypes(): Promise<string> {
  const datasets = [...loadDatasets().values()]
  const options = { bannerComment: '', style: STYLE, format: true }
  const parts = await Promise.all(datasets.map((each) => compile(toTypeSchema(each), each.name, options)))
  return [BANNER, ...parts.map((part) => part.trim())].join('\n') + '\n'
}

const wanted = await renderTypes()
if (!process.argv.includes('--check')) {
  writeFileSync(TARGET, wanted)
} else if (readFileSync(TARGET, 'utf8') !== wanted) {
  process.stdout.write(
    'src/feeds/dataset-types.ts is not what the schemas say; run node tools/generate-dataset-types.ts\n',
  )
  process.exitCode = 1
}
