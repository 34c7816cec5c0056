import { spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import packageJson from '../package.json' with { type: 'json' }

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')
const list = (pattern: string): readonly string[] =>
  globSync(pattern, { cwd: root, exclude: ['**/node_modules'] }).toSorted()

/** The faults of a tree, one per line, and the line that counts what was looked at. */
function findFaults(tree: string): { readonly faults: readonly string[]; readonly summary: string } {
  const { stdout } = spawnSync(process.execPath, [path.join(root, 'tools/boundaries.ts'), tree], {
    cwd: root,
    encoding: 'utf8',
  })
  const lines = stdout.trim().split('\n')
  return { faults: lines.slice(0, -1), summary: lines.at(-1) ?? '' }
}

describe('the layout', () => {
  it('is kept by every file, and every file was looked at', () => {
    const { faults, summary } = findFaults(root)
    expect(faults).toEqual([])
    const looked = Number(/^(\d+) modules/.exec(summary)?.[1])
    expect(looked).toBeGreaterThan(list('{src,demo}/**/*.ts').length)
  })
})

/** What is planted into a copy of the product, and the fault that must come of it. */
const planted: readonly (readonly [what: string, file: string, source: string, fault: string])[] = [
  [
    'an upward import',
    'src/store/planted-upward.ts',
    `import '../jobs/queues.ts'`,
    'layer-store: src/store/planted-upward.ts → src/jobs/queues.ts',
  ],
  [
    'an upward import of a type',
    'src/feeds/planted-type.ts',
    `import type { Query } from '../store/database.ts'\nexport type Planted = Query`,
    'layer-feeds: src/feeds/planted-type.ts → src/store/database.ts',
  ],
  [
    'an import of a neighbour',
    'src/ingest/planted-neighbour.ts',
    `import '../sharing/share.ts'`,
    'layer-ingest: src/ingest/planted-neighbour.ts → src/sharing/share.ts',
  ],
  [
    'a re-export from above',
    'src/audit/planted-re-export.ts',
    `export { openDatabase } from '../store/database.ts'`,
    'layer-audit: src/audit/planted-re-export.ts → src/store/database.ts',
  ],
  [
    'a cycle',
    'src/feeds/planted-one.ts',
    `import './planted-two.ts'\nexport const one = 1`,
    'no-cycle: src/feeds/planted-one.ts → src/feeds/planted-two.ts',
  ],
  [
    'a library outside its home',
    'src/audit/planted-library.ts',
    `import 'pg'`,
    'home-of-pg: src/audit/planted-library.ts → ',
  ],
  [
    'a scoped library outside its home',
    'src/jobs/planted-scoped.ts',
    `import '@fastify/helmet'`,
    'home-of-@fastify: src/jobs/planted-scoped.ts → ',
  ],
  [
    'a library without a home',
    'src/feeds/planted-homeless.ts',
    `import 'vitest'`,
    'library-without-home: src/feeds/planted-homeless.ts → ',
  ],
  [
    'the demo in the product',
    'src/jobs/planted-demo.ts',
    `await import('../../demo/main.ts')`,
    'only-cli-opens-demo: src/jobs/planted-demo.ts → demo/main.ts',
  ],
  [
    'a tool in the product',
    'src/jobs/planted-tool.ts',
    `import '../../tools/planted.ts'`,
    'src-stands-alone: src/jobs/planted-tool.ts → tools/planted.ts',
  ],
  [
    'a file outside the layout',
    'src/common/planted.ts',
    `import '../errors.ts'`,
    'file-without-layer: src/common/planted.ts → src/errors.ts',
  ],
  [
    'an import of nothing',
    'src/audit/planted-nothing.ts',
    `import './nothing.ts'`,
    'resolves: src/audit/planted-nothing.ts → ',
  ],
]

/** What the planted files need; there is nothing wrong with these themselves. */
const unpunished: readonly (readonly [what: string, file: string, source: string])[] = [
  ['the other half of the cycle', 'src/feeds/planted-two.ts', `import './planted-one.ts'\nexport const two = 2`],
  ['the tool', 'tools/planted.ts', 'export {}'],
]

describe('the rules of the layout bite', () => {
  let faults: readonly string[] = []
  const tree = mkdtempSync(path.join(tmpdir(), 'gridbridge-layout-'))

  beforeAll(() => {
    for (const copied of [
      'src',
      'demo',
      'schemas',
      'package.json',
      'tools/openapi-types/openapi.d.ts',
      'tools/api-client',
    ])
      cpSync(path.join(root, copied), path.join(tree, copied), { recursive: true })
    symlinkSync(path.join(root, 'node_modules'), path.join(tree, 'node_modules'))
    for (const [, file, source] of [...planted, ...unpunished]) {
      mkdirSync(path.join(tree, path.dirname(file)), { recursive: true })
      writeFileSync(path.join(tree, file), `${source}\n`)
    }
    faults = findFaults(tree).faults
  })
  afterAll(() => rmSync(tree, { recursive: true, force: true }))

  it.each(planted)('%s is reported', (_what, _file, _source, fault) => {
    expect(faults.filter((line) => line.startsWith(fault))).toHaveLength(1)
  })

  it('and nothing else is', () => {
    expect(faults.filter((line) => !line.includes('planted'))).toEqual([])
  })
})

describe('the rules that are read from the text', () => {
  it('only config, main and cli read the environment', () => {
    const readers = list('src/**/*.ts').filter((file) =>
      /process\s*(\.|\[')env\b|\benv\b[^'\n]*from 'node:process'/.test(read(file)),
    )
    expect(readers.filter((file) => !['src/config.ts', 'src/main.ts', 'src/cli-output.ts'].includes(file))).toEqual([])
  })

  it.each([
    ['RawRecord', 'src/ingest/map.ts'],
    ['ValidRecord', 'src/ingest/validate.ts'],
    ['Rejection', 'src/ingest/validate.ts'],
    ['ProtectedRecord', 'src/ingest/protect.ts'],
    ['ProtectedRejection', 'src/ingest/protect.ts'],
    ['SharedRecord', 'src/sharing/share.ts'],
  ])('a %s is made in %s and nowhere else in what runs', (stage, maker) => {
    const cast = new RegExp(`\\bas (unknown as )?(readonly )?${stage}\\b|<(readonly )?${stage}(\\[\\])?>\\s*[({[]`)
    const makers = list('{src,demo,bench,prove}/**/*.ts').filter((file) => cast.test(read(file)))
    expect(makers).toEqual([maker])
  })

  it('no file is longer than 300 lines', () => {
    const files = list('{src,demo,bench,prove,tools}/**/*.ts').filter((file) => !file.endsWith('.d.ts'))
    expect(files.filter((file) => read(file).trimEnd().split('\n').length > 300)).toEqual([])
  })

  it('no file is called utils, helpers, common or lib', () => {
    expect(list('{src,demo,bench,prove,tools,test}/**/{utils,util,helpers,helper,common,lib}{,.ts}')).toEqual([])
  })

  it('what the product imports is installed in production', () => {
    const shipped = Object.keys({ ...packageJson.dependencies, ...packageJson.optionalDependencies })
    const imports = list('src/**/*.ts').flatMap((file) =>
      [...read(file).matchAll(/(?<![.\w])(?:from|import)\s*\(?\s*'([^'.\s][^'\s]*)'/g)].map((match) => match[1] ?? ''),
    )
    const libraries = imports
      .filter((name) => !name.startsWith('node:'))
      .map((name) => name.split('/', name.startsWith('@') ? 2 : 1).join('/'))
    expect(libraries.length).toBeGreaterThan(30)
    expect([...new Set(libraries)].filter((library) => !shipped.includes(library))).toEqual([])
  })
})

interface Node {
  readonly start: number
  readonly end: number
  readonly body: object | null
}

/** The part of oxc-parser that is used. knip brings it. */
interface Parser {
  readonly parseSync: (
    file: string,
    source: string,
  ) => { readonly program: object; readonly errors: readonly unknown[] }
  readonly Visitor: new (visitors: Readonly<Record<string, (node: Node) => void>>) => {
    readonly visit: (program: object) => void
  }
}

const lineOf = (source: string, offset: number): number => source.slice(0, offset).split('\n').length

/** Each function of a file as `file:line` and its lines, from its first word to its closing brace. */
function measureFunctions(
  { parseSync, Visitor }: Parser,
  file: string,
): readonly (readonly [place: string, lines: number])[] {
  const source = read(file)
  const functions: [string, number][] = []
  const measure = ({ start, end, body }: Node): void => {
    if (body === null) return
    const first = lineOf(source, start)
    functions.push([`${file}:${first}`, lineOf(source, end) - first + 1])
  }
  const { program } = parseSync(file, source)
  new Visitor({ FunctionDeclaration: measure, FunctionExpression: measure, ArrowFunctionExpression: measure }).visit(
    program,
  )
  return functions
}

describe('functions', () => {
  it('are short: none in src is longer than 45 lines', () => {
    const parser = createRequire(path.join(root, 'node_modules/knip/package.json'))('oxc-parser') as Parser
    // A migration is one SQL text.
    const files = list('src/**/*.ts').filter((file) => !file.startsWith('src/store/migrations/'))
    const functions = files
      .flatMap((file) => measureFunctions(parser, file))
      .toSorted(([, one], [, other]) => one - other)
    const long = functions.filter(([, lines]) => lines > 20).length / functions.length
    const median = functions[Math.floor(functions.length / 2)]?.[1]
    process.stdout.write(
      `${functions.length} functions in src: median ${median} lines, ${(long * 100).toFixed(1)} % over 20\n`,
    )
    expect(functions.length).toBeGreaterThan(500)
    expect(functions.filter(([, lines]) => lines > 45)).toEqual([])
  })
})
