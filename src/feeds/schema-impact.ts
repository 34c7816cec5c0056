import { AppError } from '../errors.ts'
import { createProposedDataset, type Dataset, type Property } from './datasets.ts'
import { isSameJson } from './json-diff.ts'
import { parseManifest } from './manifest.ts'
import type { Manifest } from './manifest-types.ts'

/** What happens to a property between two versions of a dataset schema. */
export type PropertyChangeKind = 'dropped' | 'added' | 'retyped' | 'required' | 'reclassified' | 'remasked'

export interface PropertyChange {
  readonly name: string
  /** `required`: a value was not wanted before. */
  readonly changes: readonly PropertyChangeKind[]
}

const kindOf = ({ type, format, codes, values }: Property): unknown => [type, format, codes?.name ?? null, values]
const classOf = ({ class: classification, level }: Property): unknown => [classification, level]
const masksOf = ({ mask, minorMask, individualMask }: Property): unknown => [mask, minorMask, individualMask]

/** What is compared of a property that both versions have. */
const comparisons: readonly (readonly [PropertyChangeKind, (before: Property, after: Property) => boolean])[] = [
  ['retyped', (before, after) => !isSameJson(kindOf(before), kindOf(after))],
  ['required', (before, after) => after.required && !before.required],
  ['reclassified', (before, after) => !isSameJson(classOf(before), classOf(after))],
  ['remasked', (before, after) => !isSameJson(masksOf(before), masksOf(after))],
]

function changesOf(before: Property | undefined, after: Property | undefined): readonly PropertyChangeKind[] {
  if (after === undefined) return ['dropped']
  if (before === undefined) return after.required ? ['added', 'required'] : ['added']
  return comparisons.filter(([, differs]) => differs(before, after)).map(([kind]) => kind)
}

const byName = ({ properties }: Dataset): ReadonlyMap<string, Property> =>
  new Map(properties.map((property) => [property.name, property]))

/** Every property that two versions of a dataset schema have differently. */
export function compareSchemas(before: Dataset, after: Dataset): readonly PropertyChange[] {
  const [old, now] = [byName(before), byName(after)]
  return [...new Set([...old.keys(), ...now.keys()])]
    .map((name) => ({ name, changes: changesOf(old.get(name), now.get(name)) }))
    .filter(({ changes }) => changes.length > 0)
}

/** What a new version of the schema means for a manifest that fills the dataset. */
export interface ManifestImpact {
  /** Mapped properties that are gone, or of another type, format or code table. */
  readonly dropped: readonly string[]
  readonly retyped: readonly string[]
  /** Newly required properties: mapped ones, whose rows without a value will be refused, and those that it does not map. */
  readonly required: readonly string[]
  readonly unmapped: readonly string[]
  /** Why the manifest would no longer be accepted, one line each; none where it would. */
  readonly faults: readonly string[]
}

function findFaults(manifest: Manifest, datasets: ReadonlyMap<string, Dataset>): readonly string[] {
  try {
    parseManifest(manifest, datasets)
    return []
  } catch (error) {
    if (error instanceof AppError && error.code === 'MANIFEST_INVALID') return error.detail.split('\n')
    throw error
  }
}

/** `datasets` are those of the installation with the new version among them. */
export function judgeManifest(
  manifest: Manifest,
  changes: readonly PropertyChange[],
  datasets: ReadonlyMap<string, Dataset>,
): ManifestImpact {
  const mapped = new Set(manifest.map.map(({ to }) => to.slice(1)))
  const named = (kind: PropertyChangeKind, isMapped: boolean): readonly string[] =>
    changes
      .filter(({ name, changes: kinds }) => kinds.includes(kind) && mapped.has(name) === isMapped)
      .map(({ name }) => name)
  return {
    dropped: named('dropped', true),
    retyped: named('retyped', true),
    required: named('required', true),
    unmapped: named('required', false),
    faults: findFaults(manifest, datasets),
  }
}

/** The datasets as they would be with a proposed schema in the place of one of them. Throws what createProposedDataset does. */
export async function withProposedSchema(
  name: string,
  schema: Readonly<Record<string, unknown>>,
  datasets: ReadonlyMap<string, Dataset>,
): Promise<ReadonlyMap<string, Dataset>> {
  return new Map(datasets).set(name, await createProposedDataset(name, schema, [...datasets.values()]))
}
