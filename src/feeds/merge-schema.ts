import { isObject } from './code-tables.ts'

/** What a contradiction between departments is listed under. It rejects nothing: both records are as good as before. */
export const conflictRules = {
  'DQ-071': { en: 'dead in one register and alive in another', zh: '生死状态不一致' },
  'DQ-072': { en: 'who the person is', zh: '身份信息不一致' },
  'DQ-073': { en: 'where the person lives', zh: '居住信息不一致' },
} as const

/**
 * How one part of a merged dataset is decided (一数一源), from `x-gb-merge`. Its fields are taken together from one source,
 * because the grid of one address beside the text of another would be a place that nobody named.
 */
export interface MergeGroup {
  readonly fields: readonly string[]
  /** Departments in order of authority; all that are not named come after them, as equals. */
  readonly authority: readonly string[]
  /** Fields in which two different values are a contradiction. None where a person rightly has several, such as telephones. */
  readonly compared: readonly string[]
  /** Quality rule that a contradiction is listed under; null where nothing is compared. */
  readonly rule: string | null
}

/** How one field of a merged dataset is filled by records of another dataset, from `x-gb-person`. */
export interface MergePart {
  readonly field: string
  /** The property that holds the value, or null where it is always `value`. */
  readonly from: string | null
  readonly value: string | null
  /** Holds only for records where this property `is` one certain value; null: for all. */
  readonly when: { readonly property: string; readonly is: string } | null
}

/** What of a property decides whether a value of another dataset fits it. */
interface PropertyKind {
  readonly name: string
  readonly type: string
  readonly format: string | null
  readonly codes: { readonly name: string } | null
  readonly values: readonly string[] | null
}

/** What of a dataset decides whether it fits into the merge. */
interface DatasetKind {
  readonly name: string
  readonly names: readonly string[]
  readonly properties: readonly PropertyKind[]
  readonly subject: object | null
  readonly merge: readonly MergeGroup[] | null
  readonly parts: readonly MergePart[] | null
}

type JsonObject = Readonly<Record<string, unknown>>

const nameOf = (pointer: unknown): string | null => (typeof pointer === 'string' ? pointer.replace(/^\//, '') : null)
const texts = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []

/** The groups of a merged dataset; null for a dataset that departments fill. */
export function readMergeGroups(schema: JsonObject): readonly MergeGroup[] | null {
  const groups = schema['x-gb-merge']
  if (!Array.isArray(groups)) return null
  return groups.filter(isObject).map((group) => ({
    fields: texts(group['fields']),
    authority: texts(group['authority']),
    compared: texts(group['compared']),
    rule: nameOf(group['rule']),
  }))
}

function readPart(field: string, value: unknown): MergePart {
  if (!isObject(value)) return { field, from: nameOf(value), value: null, when: null }
  const when = isObject(value['when']) ? Object.entries(value['when'])[0] : undefined
  return {
    field,
    from: nameOf(value['from']),
    value: typeof value['value'] === 'string' ? value['value'] : null,
    when: when === undefined ? null : { property: nameOf(when[0]) ?? '', is: String(when[1]) },
  }
}

/** What records of this dataset tell of their person; null where they tell of a house or of somebody's matter, not of a person. */
export function readMergeParts(schema: JsonObject): readonly MergePart[] | null {
  const parts = schema['x-gb-person']
  return isObject(parts) ? Object.entries(parts).map(([field, value]) => readPart(field, value)) : null
}

/** What is wrong with how the datasets fit together: in which dataset, where, and what is wanted there. */
export interface MergeFault {
  readonly dataset: string
  readonly pointer: string
  readonly wanted: string
}

function findGroupFaults({ name, merge, names }: DatasetKind): readonly MergeFault[] {
  const groups = merge ?? []
  const grouped = groups.flatMap((group) => group.fields)
  const unknown = groups.flatMap(({ fields, compared }) => [
    ...fields.filter((field) => !names.includes(field)),
    ...compared.filter((field) => !fields.includes(field)),
  ])
  const missing = names.filter(
    (field) => field !== 'sourceRecordId' && grouped.filter((one) => one === field).length !== 1,
  )
  const unruled = groups.filter(
    ({ compared, rule }) => compared.length > 0 && !Object.hasOwn(conflictRules, rule ?? ''),
  )
  const wanted = [
    ...unknown.map((field) => `no ${field}: fields are properties of this schema, compared ones are among the fields`),
    ...missing.map((field) => `${field} in exactly one group`),
    ...unruled.map(
      ({ compared }) => `one of ${Object.keys(conflictRules).join(', ')} as the rule of ${compared.join(', ')}`,
    ),
  ]
  return merge === null ? [] : wanted.map((one) => ({ dataset: name, pointer: '/x-gb-merge', wanted: one }))
}

const allowedOf = (property: PropertyKind): string =>
  property.codes?.name ?? [property.type, property.format, ...(property.values ?? [])].join(' ')

/** A value that goes over as it is must be of the same kind on both sides, because nothing checks the merged record again. */
function findPartFault(part: MergePart, source: DatasetKind, merged: DatasetKind): string | null {
  const propertyOf = (dataset: DatasetKind, name: string) =>
    dataset.properties.find((property) => property.name === name)
  const target = propertyOf(merged, part.field)
  if (target === undefined) return `a property of ${merged.name}`
  if (part.when !== null && propertyOf(source, part.when.property) === undefined)
    return 'a condition on a property of this schema'
  if (part.from === null)
    return (target.values ?? []).includes(part.value ?? '') ? null : `one of ${target.values?.join(', ')}`
  const from = propertyOf(source, part.from)
  if (from === undefined) return 'a pointer to a property of this schema'
  return allowedOf(from) === allowedOf(target) ? null : `the type, format and codes of ${merged.name}/${part.field}`
}

function findPartFaults(source: DatasetKind, merged: DatasetKind): readonly MergeFault[] {
  if (source.subject === null && source.parts !== null) {
    return [
      { dataset: source.name, pointer: '/x-gb-subject', wanted: 'the certificate of the person, beside x-gb-person' },
    ]
  }
  return (source.parts ?? []).flatMap((part) => {
    const wanted = findPartFault(part, source, merged)
    return wanted === null ? [] : [{ dataset: source.name, pointer: `/x-gb-person/${part.field}`, wanted }]
  })
}

/** Everything that keeps records of these datasets from being merged into persons. */
export function findMergeFaults(datasets: readonly DatasetKind[]): readonly MergeFault[] {
  const merged = datasets.find((dataset) => dataset.merge !== null)
  if (merged === undefined) return []
  return [...findGroupFaults(merged), ...datasets.flatMap((dataset) => findPartFaults(dataset, merged))]
}
