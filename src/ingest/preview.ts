import { AppError } from '../errors.ts'
import type { Dataset } from '../feeds/datasets.ts'
import type { Manifest } from '../feeds/manifest-types.ts'
import { maskFields } from '../feeds/masks.ts'
import type { Fields, RawRecord, Reason } from '../record.ts'
import type { KeyRing } from '../security/key-ring.ts'
import type { TestReport } from '../store/feed-versions.ts'
import { compileMapping } from './map.ts'
import { unsettledSubject } from './protect.ts'
import type { Source } from './sources/source.ts'
import { validate, type Validated } from './validate.ts'

/** What one mapped field is. */
export interface PreviewField {
  readonly name: string
  readonly title: string
  readonly titleEn: string
  readonly class: string
  readonly level: string
  readonly mask: string
  readonly required: boolean
}

/** One source row on its way, side by side. */
export interface PreviewRow {
  /** Place in the page, from 0. */
  readonly row: number
  /** As the department sent it; null where the viewer is not of the department. */
  readonly raw: unknown
  /** In the dataset's words, still clear; null as `raw`. */
  readonly mapped: Fields | null
  /** As it would rest; null where the row is rejected. */
  readonly masked: Fields | null
  readonly reasons: readonly Reason[]
  readonly warnings: readonly string[]
}

export interface Preview {
  readonly dataset: string
  readonly fields: readonly PreviewField[]
  readonly rows: readonly PreviewRow[]
  /** Rows on the first page; `rows` holds the first 20 of them. */
  readonly read: number
}

/** What is shown, and how the audit log names the persons in it. */
export interface PreviewedSource {
  readonly preview: Preview
  readonly subjects: Buffer
}

export interface PreviewRequest {
  readonly manifest: Manifest
  readonly dataset: Dataset
  readonly keys: KeyRing
  /** Whether the viewer may see clear values: only somebody of the department that they come from. */
  readonly showsClear: boolean
}

const MOST_ROWS = 20

/** The dataset a manifest fills. Throws SCHEMA_INVALID. */
export function datasetOf({ feed }: Pick<Manifest, 'feed'>, datasets: ReadonlyMap<string, Dataset>): Dataset {
  const dataset = datasets.get(feed.dataset)
  if (dataset === undefined) throw new AppError('SCHEMA_INVALID', `there is no schema for dataset ${feed.dataset}`)
  return dataset
}

function describeFields({ map }: Manifest, dataset: Dataset): readonly PreviewField[] {
  const mapped = new Set(map.map(({ to }) => to.slice(1)))
  return dataset.properties
    .filter(({ name }) => mapped.has(name))
    .map(({ name, title, titleEn, class: classification, level, mask, required }) => ({
      name,
      title,
      titleEn,
      class: classification,
      level,
      mask,
      required,
    }))
}

/** The records and what became of each: validate gives the good ones and the bad ones, each in the order of the rows. */
function lineUp(records: readonly RawRecord[], { valid, rejected }: Validated, request: PreviewRequest): PreviewRow[] {
  const refused = new Map(rejected.map(({ source, reasons }) => [source.row, reasons]))
  const good = valid[Symbol.iterator]()
  const today = new Date()
  const token = (value: string): string => request.keys.token('display', value)
  return records.map((record) => {
    const { row, value } = record.source
    const reasons = refused.get(row) ?? []
    const kept = reasons.length > 0 ? undefined : good.next().value
    return {
      row,
      raw: request.showsClear ? value : null,
      mapped: request.showsClear ? (kept?.fields ?? record.fields) : null,
      masked: kept === undefined ? null : maskFields(request.dataset, kept.fields, token, today),
      reasons,
      warnings: kept?.warnings ?? record.warnings,
    }
  })
}

/**
 * Reads the first page of a source and shows its first 20 rows as they would become records. Nothing is kept. The answer holds
 * personal values: it is audited before it leaves. Throws SOURCE_… codes.
 */
export async function previewSource(source: Source, request: PreviewRequest): Promise<PreviewedSource> {
  const { manifest, dataset, keys } = request
  const page = await source.readPage(null, new Date())
  const records = page.rows.slice(0, MOST_ROWS).map(compileMapping(manifest, dataset))
  const validated = validate(records, dataset)
  const preview = {
    dataset: dataset.name,
    fields: describeFields(manifest, dataset),
    rows: lineUp(records, validated, request),
    read: page.rows.length,
  }
  const named = records.map(({ fields }) => unsettledSubject(fields, request))
  return { preview, subjects: keys.personTokens(named) }
}

function countRules({ rejected, warnings }: Validated): Readonly<Record<string, number>> {
  const counts: Record<string, number> = { ...warnings }
  for (const { reasons } of rejected) {
    for (const { rule } of reasons) counts[rule] = (counts[rule] ?? 0) + 1
  }
  return counts
}

/**
 * Judges the first page of a source against the feed's error budget. It passes with at least one good row and no more bad ones than
 * a run may have. Counts and rule ids only. Throws SOURCE_… codes.
 */
export async function testSource(source: Source, manifest: Manifest, dataset: Dataset): Promise<TestReport> {
  const page = await source.readPage(null, new Date())
  const judged = validate(page.rows.map(compileMapping(manifest, dataset)), dataset)
  const { records, ratio } = manifest.quality.errorBudget
  const rejected = judged.rejected.length
  const isSpent = rejected > records && rejected > page.rows.length * ratio
  return {
    passed: judged.valid.length > 0 && !isSpent,
    pulled: page.rows.length,
    valid: judged.valid.length,
    rejected,
    rules: countRules(judged),
    testedAt: new Date().toISOString(),
  }
}
