import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { projectRoot } from '../demo/processes.ts'
import type { SinkKind } from './taint-capture.ts'
import { playShort } from './taint-play.ts'
import { openFinder } from './taint-search.ts'
import { searchEverything } from './taint-sinks.ts'
import { openStage } from './taint-stage.ts'

/** One line of the product changed so that a clear value leaks, and where it must be found. */
interface Mutation {
  readonly name: string
  readonly file: string
  readonly find: RegExp
  readonly replace: string
  readonly sink: SinkKind
}

const mutations: readonly Mutation[] = [
  {
    name: 'the masked view is not masked',
    file: 'src/ingest/protect.ts',
    find: /masked: \w+\(.+\),$/gm,
    replace: 'masked: JSON.stringify(record.fields),',
    sink: 'product tables',
  },
  {
    name: 'a page is logged',
    file: 'src/ingest/run-feed.ts',
    find: /page\.rows\.map\(mapRow\)/g,
    replace: '(process.stderr.write(JSON.stringify(page.rows)), page.rows.map(mapRow))',
    sink: 'process logs',
  },
  {
    name: 'the cursor rests in clear',
    file: 'src/ingest/protect.ts',
    find: /\{ sealed: seal\(/g,
    replace: '{ ...cursor, sealed: seal(',
    // The next page's cursor takes its place in the row; the old row stays in the file.
    sink: 'data files',
  },
  {
    name: 'a rejected row is not sealed',
    file: 'src/ingest/protect.ts',
    find: /(?<=row: source\.row,\s+reasons,\s+)sealed: sealed\[index\]/g,
    replace: 'sealed: Buffer.from(rowText(source.value))',
    sink: 'product tables',
  },
  {
    name: 'a problem repeats what was given',
    file: 'src/sharing/cursors.ts',
    find: /'give back a cursor.*'/g,
    replace: 'cursor',
    sink: 'problem answers',
  },
  {
    name: 'an answer is kept in a temporary file',
    file: 'src/ingest/sources/http-body.ts',
    find: /(?<=function parseText\(bytes: Buffer, [^{]*\{)/g,
    replace: `process.getBuiltinModule('fs').writeFileSync(process.getBuiltinModule('os').tmpdir() + '/page.json', bytes);`,
    sink: 'temporary files',
  },
]

const COPIED = ['src', 'schemas', 'connectors', 'demo', 'package.json'] as const

/** The changed file, or null where the line is no longer there once: the mutation must be written anew. */
function mutate({ file, find, replace }: Mutation): string | null {
  const source = readFileSync(path.join(projectRoot, file), 'utf8')
  return source.match(find)?.length === 1 ? source.replace(find, () => replace) : null
}

function copyProduct(file: string, changed: string): string {
  const root = mkdtempSync(path.join(tmpdir(), 'gridbridge-mutation-'))
  for (const name of COPIED) cpSync(path.join(projectRoot, name), path.join(root, name), { recursive: true })
  symlinkSync(path.join(projectRoot, 'node_modules'), path.join(root, 'node_modules'))
  writeFileSync(path.join(root, file), changed)
  return root
}

export interface MutationVerdict {
  readonly name: string
  /** True when the leak was found where it was made. */
  readonly found: boolean
  readonly hits: number
}

const PEOPLE = 10

async function judge(mutation: Mutation): Promise<MutationVerdict> {
  const changed = mutate(mutation)
  if (changed === null) return { name: mutation.name, found: false, hits: 0 }
  const root = copyProduct(mutation.file, changed)
  const stage = await openStage({ root, withRedis: false })
  try {
    await playShort(stage, PEOPLE)
    const { hits } = await searchEverything(stage, openFinder(stage.book.canaries()))
    return { name: mutation.name, found: hits.some(({ sink }) => sink === mutation.sink), hits: hits.length }
  } finally {
    await stage.close()
    rmSync(root, { recursive: true, force: true })
  }
}

/** Names of the mutations whose line is no longer in the product. */
export const findStaleMutations = (): readonly string[] =>
  mutations.filter((mutation) => mutate(mutation) === null).map(({ name }) => name)

/** Runs the first `count` changed products one after the other. A search that stays green on one of them is blind. */
export async function judgeMutations(count = mutations.length): Promise<readonly MutationVerdict[]> {
  const verdicts: MutationVerdict[] = []
  for (const mutation of mutations.slice(0, count)) verdicts.push(await judge(mutation))
  return verdicts
}
