import type { Dataset } from './datasets.ts'
import { updateCycles, type CatalogueEntry } from './legal-basis.ts'

/** Whether a dataset is shared at all (共享类型), from the least to the most strict. */
export const sharingTypes = ['unconditional', 'conditional', 'not-shared'] as const
export type SharingType = (typeof sharingTypes)[number]

/** What the catalogue entries of the live feeds of a dataset say together. */
export interface Sharing {
  readonly type: SharingType
  /** False where no entry says so: a dataset without one counts as shared with conditions. */
  readonly isDeclared: boolean
  readonly conditions: readonly string[]
  /** Law, administrative regulation or decision behind `not-shared`; null for the other types. */
  readonly basis: string | null
  readonly methods: readonly string[]
  /** The slowest of the feeds; null where no entry says one. */
  readonly updateCycle: CatalogueEntry['updateCycle'] | null
}

const CONDITIONAL = 2

const distinct = (texts: readonly (string | null)[]): readonly string[] =>
  [...new Set(texts.filter((text) => text !== null && text.trim() !== ''))] as readonly string[]

/** The strictest entry decides (Decree 809 Art. 15): a record of any feed may be in the answer. */
export function sharingOf(entries: readonly CatalogueEntry[]): Sharing {
  const strictest = entries.length === 0 ? CONDITIONAL : Math.max(...entries.map(({ shareType }) => shareType))
  const deciding = entries.filter(({ shareType }) => shareType === strictest)
  const bases = distinct(deciding.map(({ shareBasis }) => shareBasis))
  const type = sharingTypes[strictest - 1] ?? 'not-shared'
  const slowest = Math.max(-1, ...entries.map(({ updateCycle }) => updateCycles.indexOf(updateCycle)))
  return {
    type,
    isDeclared: entries.length > 0,
    conditions: distinct(entries.map(({ shareCondition }) => shareCondition)),
    basis: type === 'not-shared' ? bases.join('; ') : null,
    methods: distinct(entries.map(({ shareMethod }) => shareMethod)),
    updateCycle: updateCycles[slowest] ?? null,
  }
}

/** Names of the datasets whose feeds fill this one: itself or, for merged persons, every dataset that tells of its person. */
export function filledFrom(dataset: Dataset, datasets: ReadonlyMap<string, Dataset>): readonly string[] {
  if (dataset.merge === null) return [dataset.name]
  return [...datasets.values()].filter(({ parts }) => parts !== null).map(({ name }) => name)
}
