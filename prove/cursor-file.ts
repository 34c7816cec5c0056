import { hash } from 'node:crypto'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { manifestAround } from './cursor-manifest.ts'
import type { Product } from './cursor-product.ts'
import type { World } from './cursor-world.ts'
import { countWrites, type Version } from './cursor-writes.ts'
import type { Random } from './random.ts'

/** One step of a department that drops files: a piece of a data file, or the marker that declares it whole. */
interface Step {
  readonly at: number
  readonly file: number
  readonly work: () => void
}

const START = Date.UTC(2026, 0, 1)
const FILES = 14
const PEOPLE = 30

function planFiles(random: Random): readonly (readonly Version[])[] {
  const versions = new Map<string, number>()
  return Array.from({ length: FILES }, (_, file) => {
    const ids = new Set(Array.from({ length: random(9) }, () => `r-${random(PEOPLE)}`))
    return [...ids].map((id) => {
      const version = (versions.get(id) ?? 0) + 1
      versions.set(id, version)
      return { id, version, at: file }
    })
  })
}

/** A file is written in two pieces and marked later, so that a later file may be ready before an earlier one. */
function planSteps(directory: string, file: number, rows: readonly Version[], random: Random): readonly Step[] {
  const name = path.join(directory, `people_${String(file).padStart(3, '0')}.csv`)
  const lines = rows.map(({ id, version }) => `${id},${version}\n`)
  const half = random(lines.length + 1)
  const [head, tail] = [`id,v\n${lines.slice(0, half).join('')}`, lines.slice(half).join('')]
  const marker = JSON.stringify({ rows: rows.length, sm3: hash('sm3', head + tail) })
  const begins = START + file * 10_000 + random(8000)
  const whole = begins + random(20_000)
  return [
    { at: begins, file, work: () => writeFileSync(name, head) },
    { at: whole, file, work: () => appendFileSync(name, tail) },
    { at: whole + 1 + random(15_000), file, work: () => writeFileSync(`${name}.ok`, marker) },
  ]
}

/** A drop directory that fills while it is read, in simulated time. */
export async function openFileWorld(product: Product, random: Random): Promise<World> {
  const directory = mkdtempSync(path.join(tmpdir(), 'gridbridge-drop-'))
  const files = planFiles(random)
  const steps = files.flatMap((rows, file) => planSteps(directory, file, rows, random)).sort((a, b) => a.at - b.at)
  const manifest = manifestAround({
    kind: 'file',
    directory,
    pattern: 'people_*.csv',
    marker: { suffix: '.ok' },
    format: { kind: 'csv', encoding: 'utf-8', delimiter: ',' },
    pageSize: 3,
  })
  const egress = product.createEgressGuard([])
  // A file becomes readable with its marker, which is the last of its steps.
  const marked = files.map((_, file) => steps.findLastIndex((step) => step.file === file))
  const commits = files.map((versions, file) => ({ versions, place: marked[file] ?? 0 }))
  let clock = START
  let done = 0
  return {
    open: () => product.openSource(manifest, {}, egress),
    now: () => new Date(clock),
    pass: async (ms) => {
      clock += ms
      for (; (steps[done]?.at ?? Infinity) <= clock; done++) steps[done]?.work()
    },
    isOver: () => done === steps.length,
    newest: async () => new Map(files.flat().map(({ id, version }) => [id, version])),
    counts: () => countWrites(commits.toSorted((a, b) => a.place - b.place)),
    close: async () => rmSync(directory, { recursive: true, force: true }),
    pauseMs: 15_000,
  }
}
