import type { Dataset } from '../feeds/datasets.ts'
import type { MergeGroup, MergePart } from '../feeds/merge-schema.ts'
import type { Fields, ValidRecord } from '../record.ts'
import type { ChangePlace } from '../store/changes.ts'
import { joinRecord } from './validate.ts'

/** Where a value of a person comes from. */
export interface SourceRecord {
  readonly feed: string
  readonly department: string
  readonly recordId: string
}

/** One department's record of a person, in the words of the merged dataset. Its fields are clear: it lives in memory only. */
export interface PersonSource extends SourceRecord {
  /** When the source says that it last changed the record, in milliseconds since the epoch; null where it does not say. */
  readonly updatedAt: number | null
  /** Where it stands in our change feed. */
  readonly place: ChangePlace
  /** True where its own dataset takes it for the record of a child under 14. */
  readonly isMinor: boolean
  readonly fields: Fields
}

/** Departments say different things in one field. It tells who said it and who was believed, never what was said. */
export interface Conflict {
  readonly field: string
  readonly rule: string
  readonly decidedBy: Criterion
  /** Those that agree are one side; the first side was believed. */
  readonly sides: readonly (readonly SourceRecord[])[]
}

export interface MergedPerson {
  readonly record: ValidRecord
  readonly isMinor: boolean
  readonly conflicts: readonly Conflict[]
}

type Compare = (one: PersonSource, other: PersonSource, group: MergeGroup) => number

const authorityOf = ({ department }: PersonSource, { authority }: MergeGroup): number => {
  const place = authority.indexOf(department)
  return place === -1 ? authority.length : place
}

const compareTexts = (one: string, other: string): number => Number(one > other) - Number(one < other)

/**
 * The newer first. A source that says when it changed a record goes before one that does not: otherwise three records could
 * each be newer than the next. Two that do not say stand in our change order.
 */
function compareRecency(one: PersonSource, other: PersonSource): number {
  if (one.updatedAt !== null || other.updatedAt !== null) {
    return Math.sign((other.updatedAt ?? -Infinity) - (one.updatedAt ?? -Infinity))
  }
  const [early, late] = [one.place, other.place]
  return compareTexts(late.tx.padStart(20, '0'), early.tx.padStart(20, '0')) || late.seq - early.seq
}

const compareCompleteness: Compare = (one, other) => Object.keys(other.fields).length - Object.keys(one.fields).length

/** What decides between two records, in this order. The last one only makes the order of equals always the same. */
const criteria = {
  authority: (one, other, group) => authorityOf(one, group) - authorityOf(other, group),
  recency: compareRecency,
  completeness: compareCompleteness,
  identity: (one, other) => compareTexts(one.feed, other.feed) || compareTexts(one.recordId, other.recordId),
} as const satisfies Record<string, Compare>

export type Criterion = keyof typeof criteria

const order = Object.entries(criteria) as readonly (readonly [Criterion, Compare])[]

function findCriterion(one: PersonSource, other: PersonSource, group: MergeGroup): readonly [Criterion, number] {
  for (const [criterion, compare] of order) {
    const result = compare(one, other, group)
    if (result !== 0) return [criterion, result]
  }
  return ['identity', 0]
}

/** Those that say anything in the group, the most believable first. */
function rankSources(sources: readonly PersonSource[], group: MergeGroup): readonly PersonSource[] {
  return sources
    .filter(({ fields }) => group.fields.some((name) => fields[name] !== undefined))
    .toSorted((one, other) => findCriterion(one, other, group)[1])
}

const nameSource = ({ feed, department, recordId }: PersonSource): SourceRecord => ({ feed, department, recordId })

function findConflict(ranked: readonly PersonSource[], group: MergeGroup, field: string): readonly Conflict[] {
  const speaking = ranked.filter(({ fields }) => fields[field] !== undefined)
  const sides = [...Map.groupBy(speaking, ({ fields }) => fields[field]).values()]
  const [winner, loser] = sides.map((side) => side[0])
  // The group's winner may be silent in this field; then nothing of the others is shown, so nothing is contradicted.
  if (winner === undefined || loser === undefined || winner !== ranked[0]) return []
  const [decidedBy] = findCriterion(winner, loser, group)
  return [{ field, rule: group.rule ?? '', decidedBy, sides: sides.map((side) => side.map(nameSource)) }]
}

function takeFields(group: MergeGroup, winner: PersonSource | undefined): readonly (readonly [string, unknown])[] {
  return group.fields.map((name) => [name, winner?.fields[name]] as const).filter(([, value]) => value !== undefined)
}

/**
 * One person out of all records of them: each group of fields from the most believable source, by authority, then recency,
 * then completeness. Pure, and the same for any order of the sources.
 */
export function mergePerson(
  personId: string,
  sources: readonly PersonSource[],
  groups: readonly MergeGroup[],
): MergedPerson {
  const ranked = groups.map((group) => ({ group, sources: rankSources(sources, group) }))
  const taken = ranked.flatMap(({ group, sources: [winner] }) => takeFields(group, winner))
  return {
    record: joinRecord(personId, Object.fromEntries(taken)),
    isMinor: sources.some((source) => source.isMinor),
    conflicts: ranked.flatMap(({ group, sources: speaking }) =>
      group.compared.flatMap((field) => findConflict(speaking, group, field)),
    ),
  }
}

const holds = ({ when }: MergePart, fields: Fields): boolean => when === null || fields[when.property] === when.is

/** What a record of this dataset says of its person, in the words of the merged dataset. Masked fields stay masked. */
export function tellPerson({ parts }: Dataset, fields: Fields): Fields {
  const told = (parts ?? [])
    .filter((part) => holds(part, fields))
    .map((part) => [part.field, part.from === null ? part.value : fields[part.from]] as const)
  return Object.fromEntries(told.filter(([, value]) => value !== undefined && value !== null))
}
