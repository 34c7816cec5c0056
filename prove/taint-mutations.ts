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
  readonly find: string
  readonly replace: string
  readonly sink: SinkKind
}

const mutations: readonly Mutation[] = [
  {
    name: 'the masked view is not masked',
    file: 'src/ingest/protect.ts',
    find: 'maskText(dataset, record.fields, displayToken, today)',
    replace: 'JSON.stringify(record.fields)',
    sink: 'product tables',
  },
  {
    name: 'a page is logged',
    file: 'src/ingest/run-feed.ts',
    find: 'const raw = page.rows.map(mapRow)',
    replace: 'const raw = page.rows.map(mapRow)\n    process.stderr.write(JSON.stringify(raw))',
    sink: 'process logs',
  },
  {
    name: 'the cursor rests in clear',
    file: 'src/ingest/protect.ts',
    find: '{ sealed: seal(keys.sealing, `cursor|${feed}`, JSON.stringify(cursor)).toString(',
    replace: '{ ...cursor, sealed: seal(keys.sealing, `cursor|${feed}`, JSON.stringify(cursor)).toString(',
    sink: 'product tables',
  },
  {
    name: 'a rejected row is not sealed',
    file: 'src/ingest/protect.ts',
    find: 'sealed: sealed[index] }) as unknown as ProtectedRejection',
    replace: 'sealed: Buffer.from(rowText(rejection.source.value)) }) as unknown as ProtectedRejection',
    sink: 'product tables',
  },
  {
    name: 'a problem repeats what was given',
    file: 'src/sharing/pull.ts',
    find: `'give back a cursor from an earlier answer, or none'`,
    replace: 'cursor',
    sink: 'problem answers',
  },
  {
    name: 'an answer is kept in a temporary file',
    file: 'src/ingest/sources/http-body.ts',
    find: 'function parse(bytes: Buffer): unknown {',
    replace: `function parse(bytes: Buffer): unknown {\n  process.getBuiltinModule('fs').writeFileSync(process.getBuiltinModule('os').tmpdir() + '/page.json', bytes)`,
    sink: 'temporary files',
  },
]

export const MUTATIONS = mutations.length

const COPIED = ['src', 'schemas', 'connectors', 'demo', 'package.json'] as const

/** A copy of the product with one line changed. Throws where the line is no longer there. */
function copyMutated({ file, find, replace }: Mutation): string {
  const root = mkdtempSync(path.join(tmpdir(), 'gridbridge-mutation-'))
  for (const name of COPIED) cpSync(path.join(projectRoot, name), path.join(root, name), { recursive: true })
  symlinkSync(path.join(projectRoot, 'node_modules'), path.join(root, 'node_modules'))
  const source = readFileSync(path.join(root, file), 'utf8')
  if (source.split(find).length !== 2) throw new Error(`${file} does not hold the line of this mutation once`)
  writeFileSync(
    path.join(root, file),
    source.replace(find, () => replace),
  )
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
  const root = copyMutated(mutation)
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

/** Runs the first `count` changed products one after the other. A search that stays green on one of them is blind. */
export async function judgeMutations(count: number): Promise<readonly MutationVerdict[]> {
  const verdicts: MutationVerdict[] = []
  for (const mutation of mutations.slice(0, count)) verdicts.push(await judge(mutation))
  return verdicts
}
