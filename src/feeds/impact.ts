import { isSameJson } from './json-diff.ts'
import type { Manifest } from './manifest-types.ts'

/** What a new version does to the fields that a feed fills; names of dataset properties. */
export interface FieldChanges {
  readonly dropped: readonly string[]
  readonly added: readonly string[]
  readonly changed: readonly string[]
}

const rulesByField = ({ map }: Pick<Manifest, 'map'>): ReadonlyMap<string, unknown> =>
  new Map(map.map((mapping) => [mapping.to.slice(1), mapping]))

/** Compares the mappings of two versions; null: there is no version yet, so every field is added. */
export function compareFields(before: Pick<Manifest, 'map'> | null, after: Pick<Manifest, 'map'>): FieldChanges {
  const old = before === null ? new Map<string, unknown>() : rulesByField(before)
  const now = rulesByField(after)
  return {
    dropped: [...old.keys()].filter((field) => !now.has(field)),
    added: [...now.keys()].filter((field) => !old.has(field)),
    changed: [...now].flatMap(([field, rule]) => (old.has(field) && !isSameJson(old.get(field), rule) ? [field] : [])),
  }
}
