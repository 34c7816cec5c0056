import { isObject } from './code-tables.ts'
import { registeredDepartments } from './departments.ts'
import { isMaskId, isRecoverable, type MaskId } from './mask-rules.ts'

type JsonObject = Readonly<Record<string, unknown>>

export type Classification = 'none' | 'ordinary' | 'identifier' | 'quasi' | 'sensitive'
export type Level = 'L1' | 'L2' | 'L3' | 'L4'

/** The schema of one property, as far as it was checked. */
export type PropertySchema = Readonly<{
  title: string
  'x-gb-title-en': string
  'x-gb-class': Classification
  'x-gb-level': Level
  'x-gb-mask': MaskId
  'x-gb-mask-minor'?: MaskId
  'x-gb-mask-individual'?: MaskId
  'x-gb-codes'?: string
  'x-gb-text'?: true
  type: 'string' | 'number' | 'integer' | 'boolean'
  format?: string
  enum?: readonly string[]
}>

/** The schema of a dataset, as far as it was checked; ajv checks the rest when it compiles it. */
export type DatasetSchema = Readonly<{
  title: string
  'x-gb-title-en': string
  'x-gb-dataset': string
  'x-gb-version': number
  'x-gb-lead': string
  'x-gb-subject'?: Readonly<{ type: string; number: string }>
  required: readonly string[]
  properties: Readonly<Record<string, PropertySchema>>
}>

/** A place in a dataset schema and what is wanted there. */
export interface SchemaFault {
  readonly pointer: string
  readonly wanted: string
}

interface Wanted {
  readonly key: string
  readonly wanted: string
  readonly holds: (value: unknown) => boolean
}

const isText = (value: unknown): boolean => typeof value === 'string' && value.trim() !== ''
const isTextList = (value: unknown): boolean => Array.isArray(value) && value.every(isText)
const isOneOf =
  (...values: readonly unknown[]) =>
  (value: unknown) =>
    values.includes(value)
const isAbsentOr = (holds: (value: unknown) => boolean) => (value: unknown) => value === undefined || holds(value)

/** `constructor` and its like would be read from the prototype of every row. */
const isPropertyName = (name: string): boolean => /^[a-z][A-Za-z0-9]*$/.test(name) && !(name in Object.prototype)

const rootWanted: readonly Wanted[] = [
  { key: 'title', wanted: 'a Chinese title', holds: isText },
  { key: 'x-gb-title-en', wanted: 'an English title', holds: isText },
  {
    key: 'x-gb-version',
    wanted: 'a whole number from 1',
    holds: (value) => Number.isInteger(value) && Number(value) >= 1,
  },
  {
    key: 'x-gb-lead',
    wanted: 'the folder name of a department of departments.json',
    holds: (value) => typeof value === 'string' && registeredDepartments().has(value),
  },
  { key: 'type', wanted: '"object"', holds: isOneOf('object') },
  { key: 'additionalProperties', wanted: 'false', holds: isOneOf(false) },
  {
    key: 'required',
    wanted: 'a list that holds "sourceRecordId"',
    holds: (value) => Array.isArray(value) && value.includes('sourceRecordId'),
  },
]

const propertyWanted = (tables: ReadonlySet<string>): readonly Wanted[] => [
  { key: 'title', wanted: 'a Chinese title', holds: isText },
  { key: 'x-gb-title-en', wanted: 'an English title', holds: isText },
  {
    key: 'x-gb-class',
    wanted: 'one of none, ordinary, identifier, quasi, sensitive',
    holds: isOneOf('none', 'ordinary', 'identifier', 'quasi', 'sensitive'),
  },
  { key: 'x-gb-level', wanted: 'one of L1, L2, L3, L4', holds: isOneOf('L1', 'L2', 'L3', 'L4') },
  { key: 'x-gb-mask', wanted: 'the id of a mask rule', holds: isMaskId },
  { key: 'x-gb-mask-minor', wanted: 'the id of a mask rule', holds: isAbsentOr(isMaskId) },
  { key: 'x-gb-mask-individual', wanted: 'the id of a mask rule', holds: isAbsentOr(isMaskId) },
  {
    key: 'x-gb-codes',
    wanted: 'the name of a table in codes/',
    holds: isAbsentOr((value) => typeof value === 'string' && tables.has(value)),
  },
  { key: 'x-gb-text', wanted: 'true or nothing', holds: isAbsentOr(isOneOf(true)) },
  { key: 'enum', wanted: 'a list of texts', holds: isAbsentOr(isTextList) },
  {
    key: 'type',
    wanted: 'one of string, number, integer, boolean',
    holds: isOneOf('string', 'number', 'integer', 'boolean'),
  },
]

function findFaults(at: string, value: JsonObject, wanted: readonly Wanted[]): readonly SchemaFault[] {
  return wanted
    .filter((entry) => !entry.holds(value[entry.key]))
    .map((entry) => ({ pointer: `${at}/${entry.key}`, wanted: entry.wanted }))
}

const MASK_KEYS = ['x-gb-mask', 'x-gb-mask-minor', 'x-gb-mask-individual']
const CLOSED_CLASSES: ReadonlySet<unknown> = new Set(['identifier', 'sensitive'])

/** A direct identifier or sensitive information never rests or leaves in clear by default. */
function findClearIdentifiers(at: string, property: JsonObject): readonly SchemaFault[] {
  if (!CLOSED_CLASSES.has(property['x-gb-class'])) return []
  return MASK_KEYS.filter((key) => property[key] === 'NONE').map((key) => ({
    pointer: `${at}/${key}`,
    wanted: 'a rule that hides, because the property is an identifier or sensitive',
  }))
}

function findPropertyFaults(name: string, property: unknown, wanted: readonly Wanted[]): readonly SchemaFault[] {
  const at = `/properties/${name}`
  if (!isPropertyName(name)) return [{ pointer: at, wanted: 'a name of letters and digits that starts in lower case' }]
  if (!isObject(property)) return [{ pointer: at, wanted: 'an object with a classification' }]
  return [...findFaults(at, property, wanted), ...findClearIdentifiers(at, property)]
}

/** A date that tells about the person: the birth date itself, or the day of a birth under another name. */
const isPersonalDate = (property: JsonObject): boolean =>
  property['format'] === 'date' && property['x-gb-class'] === 'quasi'

/** The masks of one variant of a record: the variant's own where it has one, else the ordinary one. */
function findRecoverable(properties: JsonObject, key: string): readonly SchemaFault[] {
  const maskOf = (property: JsonObject): string => String(property[key] ?? property['x-gb-mask'])
  const all = Object.entries(properties).filter((entry): entry is [string, JsonObject] => isObject(entry[1]))
  const numbers = all.filter(([, property]) => property['format'] === 'cn-certificate')
  const wanted = 'a rule that does not give the masked number away: BIRTH_BAND or SUPPRESS beside ID_6_4'
  return all
    .filter(([, date]) => isPersonalDate(date))
    .filter(([, date]) => numbers.some(([, number]) => isRecoverable(maskOf(number), maskOf(date))))
    .map(([name]) => ({ pointer: `/properties/${name}/${key}`, wanted }))
}

function findSubjectFaults(schema: JsonObject, properties: JsonObject): readonly SchemaFault[] {
  const subject = schema['x-gb-subject']
  if (subject === undefined) return []
  const given = isObject(subject) ? subject : {}
  return ['type', 'number']
    .filter((key) => !Object.keys(properties).some((name) => given[key] === `/${name}`))
    .map((key) => ({ pointer: `/x-gb-subject/${key}`, wanted: 'a pointer to a property of this schema' }))
}

/** Everything that keeps a schema value from being a dataset named `name`; `tables` are the known code tables. */
export function findDatasetFaults(
  name: string,
  schema: JsonObject,
  tables: ReadonlySet<string>,
): readonly SchemaFault[] {
  const { properties } = schema
  if (!isObject(properties)) return [{ pointer: '/properties', wanted: 'an object of properties' }]
  const wanted = propertyWanted(tables)
  const named: Wanted = { key: 'x-gb-dataset', wanted: `"${name}", as the file is named`, holds: isOneOf(name) }
  return [
    ...findFaults('', schema, [named, ...rootWanted]),
    ...Object.entries(properties).flatMap(([key, property]) => findPropertyFaults(key, property, wanted)),
    ...MASK_KEYS.flatMap((key) => findRecoverable(properties, key)),
    ...findSubjectFaults(schema, properties),
  ]
}
