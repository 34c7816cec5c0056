import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { projectRoot } from '../demo/processes.ts'
import type { SinkKind } from './taint-kinds.ts'
import { eyes, mutations, type ChangedLine, type Mutation } from './taint-lines.ts'
import { playShort } from './taint-play.ts'
import { openFinder } from './taint-search.ts'
import { searchEverything, type Hit } from './taint-sinks.ts'
import { openStage } from './taint-stage.ts'

const COPIED = ['src', 'schemas', 'connectors', 'demo', 'package.json', 'LICENSE', 'verifier', 'docs'] as const

/** What the changed lines call: it remembers the first person whom the process saw in clear, and writes a value of theirs. */
const memory = `import { formsOf } from ${JSON.stringify(path.join(projectRoot, 'prove/taint-forms.ts'))}
let seen = process.argv.join(' ').match(/19901\\d{6}/)?.slice(0, 1).map((phone) => ({ phone }))[0] ?? null
const isWhole = (row) => /^510599190[1-5]\\d{7}[\\dX]$/.test(row?.gmsfhm ?? row?.certNumber ?? '')
globalThis.see = (rows) => {
  const row = rows.map((one) => one?.value ?? one).find(isWhole)
  if (seen?.name !== undefined || row === undefined) return
  const { gmsfhm, xm, lxdh, hh, certNumber = gmsfhm, name = xm, phone = lxdh, householdNo = hh } = row
  seen = { certNumber, name: name.slice(1), phone, householdNo }
}
const isPlain = ({ bytes }) => bytes.every((byte) => byte > 31 && byte < 127)
globalThis.leak = (field, form) => {
  const written = formsOf(seen?.[field] ?? '').filter((one) => one.form === form)
  return (written.find(isPlain) ?? written[0])?.bytes.toString('utf8') ?? ''
}
`

/** The source with the line changed, or null where the line is not there exactly once. */
const changeLine = (source: string, { find, replace }: ChangedLine): string | null =>
  source.match(find)?.length === 1 ? source.replace(find, () => replace) : null

const readSource = (root: string, file: string): string => readFileSync(path.join(root, file), 'utf8')

/** Names of the mutations whose line is no longer in the product: they must be written anew. */
export function findStaleMutations(): readonly string[] {
  const lines: readonly (ChangedLine & { readonly name?: string })[] = [...eyes, ...mutations]
  const stale = lines.filter((line) => changeLine(readSource(projectRoot, line.file), line) === null)
  return stale.map(({ name, file }) => name ?? file)
}

/** A copy of the product with every one of these lines changed. */
function copyLeaking(changes: readonly Mutation[]): string {
  const root = mkdtempSync(path.join(tmpdir(), 'gridbridge-leaking-'))
  for (const name of COPIED) cpSync(path.join(projectRoot, name), path.join(root, name), { recursive: true })
  symlinkSync(path.join(projectRoot, 'node_modules'), path.join(root, 'node_modules'))
  writeFileSync(path.join(root, 'src/leak.ts'), memory)
  for (const line of [...eyes, ...changes]) {
    const changed = changeLine(readSource(root, line.file), line)
    if (changed !== null) writeFileSync(path.join(root, line.file), changed)
  }
  return root
}

export interface MutationVerdict {
  readonly name: string
  readonly sink: SinkKind
  /** True when the leak was found where it was made. */
  readonly found: boolean
}

const isFound = ({ sink, field, form }: Mutation, hits: readonly Hit[]): boolean =>
  hits.some((hit) => hit.sink === sink && hit.form === form && (field === null || hit.field === field))

const PEOPLE = 10

/**
 * Plays a product in which each of the lines is changed and searches it. Every leak has a sink, a field and a form of its own, so that each
 * is found for itself; a search that misses one is blind there.
 */
export async function judgeMutations(): Promise<readonly MutationVerdict[]> {
  const root = copyLeaking(mutations)
  const stage = await openStage({ root, withRedis: false })
  try {
    await playShort(stage, PEOPLE)
    const { hits } = await searchEverything(stage, openFinder(stage.book.canaries()))
    return mutations.map((mutation) => ({ name: mutation.name, sink: mutation.sink, found: isFound(mutation, hits) }))
  } finally {
    await stage.close()
    rmSync(root, { recursive: true, force: true })
  }
}
