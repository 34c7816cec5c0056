import { isObject } from './code-tables.ts'
import type { SchemaFault } from './dataset-rules.ts'
import { findFormat } from './formats.ts'
import { countWays } from './pattern-ways.ts'
import { linearPattern } from './schema-check.ts'

type JsonObject = Readonly<Record<string, unknown>>

/** The largest schema that ships has 9 KB, 5 levels and 40 properties. */
const MOST_BYTES = 65_536
const MOST_LEVELS = 10
/** A thousand take half a second to compile. */
const MOST_PROPERTIES = 300
const MOST_VALUES = 1000
const MOST_TEXT = 10_000
const MOST_TITLE = 200
const MOST_WAYS = 100_000
const MOST_FAULTS = 20

const DRAFT = 'https://json-schema.org/draft/2020-12/schema'
const OWN_ID = /^https:\/\/gridbridge\.invalid\/schemas\/[a-z-]{1,60}\.schema\.json$/

interface Allowed {
  readonly wanted: string
  readonly holds: (value: unknown, beside: JsonObject) => boolean
}

const NUL = String.fromCharCode(0)
const isKeepable = (text: string): boolean => text.isWellFormed() && !text.includes(NUL)
const isTitle = (value: unknown): boolean =>
  typeof value === 'string' && value.length <= MOST_TITLE && isKeepable(value)
const isLength = (value: unknown): boolean =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MOST_TEXT
const isValueList = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.length <= MOST_VALUES &&
  value.every(isTitle) &&
  new Set(value).size === value.length

const isLinear = (pattern: string): boolean => {
  try {
    linearPattern(pattern)
    return true
  } catch {
    return false
  }
}

/** RE2 has none; some of their spellings it takes for something else. */
const BACK_REFERENCE = /\\(?:[1-9]|k<)/

const isPattern = (value: unknown, { maxLength }: JsonObject): boolean =>
  typeof value === 'string' &&
  value.length <= MOST_TITLE &&
  isKeepable(value) &&
  isLength(maxLength) &&
  countWays(value) <= MOST_WAYS &&
  !BACK_REFERENCE.test(value) &&
  isLinear(value)

const anything: Allowed = { wanted: 'anything', holds: () => true }
const title: Allowed = { wanted: `a text of at most ${MOST_TITLE} characters`, holds: isTitle }
const length: Allowed = { wanted: `a whole number from 0 to ${MOST_TEXT}`, holds: isLength }
const number: Allowed = { wanted: 'a number', holds: (value) => typeof value === 'number' && Number.isFinite(value) }

/** What a schema may say of the whole record. Nothing here refers to another schema or holds a schema in it. */
const rootKeywords: Readonly<Record<string, Allowed>> = {
  $schema: { wanted: DRAFT, holds: (value) => value === DRAFT },
  $id: {
    wanted: 'https://gridbridge.invalid/schemas/<dataset>.schema.json',
    holds: (value) => typeof value === 'string' && OWN_ID.test(value),
  },
  title,
  description: title,
  type: anything,
  additionalProperties: anything,
  properties: anything,
  required: {
    wanted: 'each property at most once, and nothing else',
    holds: (value, { properties }) =>
      Array.isArray(value) &&
      new Set(value).size === value.length &&
      value.every((name) => typeof name === 'string' && isObject(properties) && Object.hasOwn(properties, name)),
  },
  'x-gb-title-en': title,
  'x-gb-dataset': title,
  'x-gb-version': number,
  'x-gb-lead': title,
  'x-gb-subject': anything,
  'x-gb-merge': anything,
  'x-gb-person': anything,
}

/** What it may say of one property, which is a text, a number or a truth value. */
const propertyKeywords: Readonly<Record<string, Allowed>> = {
  title,
  description: title,
  type: anything,
  format: { wanted: 'a format of this product', holds: (value) => findFormat(value) !== null },
  enum: { wanted: `1 to ${MOST_VALUES} different texts`, holds: isValueList },
  minLength: length,
  maxLength: length,
  minimum: number,
  maximum: number,
  pattern: {
    wanted: `an expression that RE2 takes, of at most ${MOST_TITLE} characters and ${MOST_WAYS} ways to match (so no * or +), beside a maxLength of at most ${MOST_TEXT}`,
    holds: isPattern,
  },
  'x-gb-title-en': title,
  'x-gb-class': title,
  'x-gb-level': title,
  'x-gb-mask': title,
  'x-gb-mask-minor': title,
  'x-gb-mask-individual': title,
  'x-gb-codes': title,
  'x-gb-text': anything,
}

/** Names that the sender chose are repeated only where they are short and plain. */
const place = (at: string, name: string): string => (/^[\w$-]{1,60}$/.test(name) ? `${at}/${name}` : at)

function findKeywordFaults(
  at: string,
  value: JsonObject,
  keywords: Readonly<Record<string, Allowed>>,
): readonly SchemaFault[] {
  return Object.entries(value).flatMap(([keyword, given]) => {
    const allowed = Object.hasOwn(keywords, keyword) ? keywords[keyword] : undefined
    if (allowed === undefined) return [{ pointer: place(at, keyword), wanted: 'no such keyword here' }]
    return given === undefined || allowed.holds(given, value)
      ? []
      : [{ pointer: place(at, keyword), wanted: allowed.wanted }]
  })
}

/** Goes no deeper than it has to. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1))
}

function findSizeFault(schema: JsonObject): SchemaFault | null {
  if (isDeeper(schema, MOST_LEVELS)) return { pointer: '', wanted: `at most ${MOST_LEVELS} levels` }
  if (Buffer.byteLength(JSON.stringify(schema)) > MOST_BYTES)
    return { pointer: '', wanted: `at most ${MOST_BYTES} bytes` }
  const { properties } = schema
  if (isObject(properties) && Object.keys(properties).length > MOST_PROPERTIES)
    return { pointer: '/properties', wanted: `at most ${MOST_PROPERTIES} properties` }
  return null
}

/**
 * What makes a schema unsafe to compile or to judge rows by, before anything is made of it: its size, a keyword that is not on the
 * list (so no reference, no nesting, no `$data`), a pattern that can be slow. At most 20 faults; those of size come alone.
 */
export function findUnsafeParts(schema: JsonObject): readonly SchemaFault[] {
  const size = findSizeFault(schema)
  if (size !== null) return [size]
  const properties = isObject(schema['properties']) ? Object.entries(schema['properties']) : []
  const faults = [
    ...findKeywordFaults('', schema, rootKeywords),
    ...properties.flatMap(([name, property]) =>
      isObject(property) ? findKeywordFaults(place('/properties', name), property, propertyKeywords) : [],
    ),
  ]
  return faults.slice(0, MOST_FAULTS)
}
