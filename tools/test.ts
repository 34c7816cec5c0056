/**
 * `npm test`: the static checks in their order, each as one test, then every test of vitest. The last line of output is
 * `N passed, N failed`. Arguments go to vitest, and then the static checks are left out: `npm test -- test/audit`.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

interface Count {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** What is read of vitest's JSON report. `assertionResults` is empty where a file could not be loaded. */
interface VitestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[]
}

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = path.join(root, 'node_modules', '.bin')
const NOTHING: Count = { passed: 0, failed: 0, skipped: 0 }

/** Name and command of each static check. The types come first, because the rest reads badly when they are broken. */
const checks: readonly (readonly [name: string, command: string, ...arguments_: string[]])[] = [
  ['types', 'tsc', '--noEmit', '-p', 'tsconfig.json'],
  ['lint', 'oxlint', '--type-aware', '--deny-warnings'],
  ['format', 'oxfmt', '--check'],
  ['boundaries', 'node', 'tools/boundaries.ts'],
  ['dead code', 'knip', '--no-config-hints'],
  ['dataset types', 'node', 'tools/generate-dataset-types.ts', '--check'],
  ['API types', 'node', 'tools/generate-openapi-types.ts', '--check'],
]

const print = (text: string): void => void process.stdout.write(`${text}\n`)

/** The project's own tools and Node come first, whatever the machine has. */
const environment = { ...process.env, PATH: `${bin}${path.delimiter}${process.env['PATH'] ?? ''}` }

function runCheck([name, command, ...given]: (typeof checks)[number]): Count {
  const startedAt = performance.now()
  const executable = command === 'node' ? process.execPath : path.join(bin, command)
  const { status, stdout, stderr, error } = spawnSync(executable, given, {
    cwd: root,
    env: environment,
    encoding: 'utf8',
  })
  const passed = status === 0
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  print(`${passed ? '✓' : '✗'} ${name.padEnd(14)} ${seconds} s`)
  if (!passed) print([stdout, stderr, error?.message ?? ''].join('\n').trim())
  return { passed: Number(passed), failed: Number(!passed), skipped: 0 }
}

function readReport(file: string): VitestReport | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as VitestReport
  } catch {
    return null
  }
}

/** A file that could not be loaded has no test to fail, so it counts as one. */
function countReport(report: VitestReport): Count {
  const unloaded = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  )
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloaded.length,
    skipped: report.numPendingTests + report.numTodoTests,
  }
}

/** Every failure has a test to its name: a run that ended badly without one, or that ran nothing, counts as one. */
function runVitest(given: readonly string[]): Count {
  const directory = mkdtempSync(path.join(tmpdir(), 'gridbridge-test-'))
  const file = path.join(directory, 'report.json')
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
    const { status } = spawnSync(path.join(bin, 'vitest'), ['run', ...reporters, ...given], {
      cwd: root,
      env: environment,
      stdio: 'inherit',
    })
    const report = readReport(file)
    const count = report === null ? NOTHING : countReport(report)
    const silent = count.failed === 0 && (status !== 0 || count.passed === 0)
    return silent ? { ...count, failed: 1 } : count
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const given = process.argv.slice(2)
const counts = [...(given.length === 0 ? checks.map(runCheck) : []), runVitest(given)]
const sum = (name: keyof Count): number => counts.reduce((total, count) => total + count[name], 0)
const [passed, failed, skipped] = [sum('passed'), sum('failed'), sum('skipped')]
if (skipped > 0) print(`\n${skipped} skipped`)
print(`\n${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
