import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { loadDatasets } from '../../src/feeds/datasets.ts'
import { listConnectors, parseManifest, readManifest } from '../../src/feeds/manifest.ts'
import type { Manifest } from '../../src/feeds/manifest-types.ts'
import { compileMapping } from '../../src/ingest/map.ts'
import { validate } from '../../src/ingest/validate.ts'
import type { ValidRecord } from '../../src/record.ts'

const datasets = loadDatasets()
const PAGE = 1000

/** What became of the rows of a source. */
export interface Verdict {
  readonly valid: readonly ValidRecord[]
  /** Records per rule. */
  readonly rejections: Readonly<Record<string, number>>
  /** Records per rule, of the valid ones only. */
  readonly warnings: Readonly<Record<string, number>>
}

/** A copy of a JSON object with the value at the path replaced. */
function setAt(value: unknown, [name, ...rest]: readonly string[], given: unknown): unknown {
  if (name === undefined) return given
  const members = Object.entries(Object(value))
  return Object.fromEntries(members.map(([key, inner]) => [key, key === name ? setAt(inner, rest, given) : inner]))
}

/** A manifest of connectors/, with values set by JSON pointer as `feed add` sets them. */
export function readDemoManifest(file: string, set: Readonly<Record<string, unknown>> = {}): Manifest {
  const value: unknown = JSON.parse(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'))
  const changed = Object.entries(set).reduce(
    (manifest, [pointer, given]) => setAt(manifest, pointer.slice(1).split('/'), given),
    value,
  )
  return parseManifest(changed, datasets)
}

const projectRoot = fileURLToPath(new URL('../../', import.meta.url))

/** Every manifest of connectors/ by the code of its feed. */
export function readConnectors(): ReadonlyMap<string, Manifest> {
  const manifests = listConnectors(`${projectRoot}connectors`).map(({ path }) => readManifest(path, datasets))
  return new Map(manifests.map((manifest) => [manifest.feed.code, manifest]))
}

function tally(lists: readonly (readonly string[])[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const list of lists) for (const rule of new Set(list)) counts[rule] = (counts[rule] ?? 0) + 1
  return counts
}

/** Runs rows through map and validate in pages of 1,000. */
export function judgeRows(manifest: Manifest, total: number, rowAt: (position: number) => unknown): Verdict {
  const dataset = datasets.get(manifest.feed.dataset)
  if (dataset === undefined) throw new Error(`no schema for ${manifest.feed.dataset}`)
  const map = compileMapping(manifest, dataset)
  const refused: string[][] = []
  const valid: ValidRecord[] = []
  for (let start = 0; start < total; start += PAGE) {
    const length = Math.min(PAGE, total - start)
    const page = validate(
      Array.from({ length }, (_, row) => map({ row, value: rowAt(start + row) })),
      dataset,
    )
    refused.push(...page.rejected.map(({ reasons }) => reasons.map(({ rule }) => rule)))
    valid.push(...page.valid)
  }
  return { valid, rejections: tally(refused), warnings: tally(valid.map(({ warnings }) => warnings)) }
}
