import { AppError } from '../errors.ts'
import type { Dataset, Property } from '../feeds/datasets.ts'
import type { Mapping } from '../feeds/manifest-types.ts'
import { createCodeLookup, createConvert, isPrimitive } from './convert.ts'
import {
  addFindings,
  createNormaliser,
  isQuiet,
  LONGEST_PLACEHOLDER,
  noFindings,
  uncommonOf,
  type Findings,
  type ReadValue,
} from './normalise.ts'
import { readUsualDays } from './usual-days.ts'

/** One property and everything needed to fill it, worked out once per manifest. */
export interface Field {
  readonly name: string
  /** Where the row has the value; null for a constant. */
  readonly pointer: string | null
  readonly constant: unknown
  /** What texts that come again came to; null where they do not. */
  readonly known: ReadonlyMap<unknown, unknown> | null
  /** Finds something in each longer text that may come to another; null where any may. */
  readonly uncommon: RegExp | null
  readonly read: ReadValue
}

/** The field that a mapping fills. Throws AppError MANIFEST_INVALID where the dataset has no such property. */
export function createField(mapping: Mapping, dataset: Dataset): Field {
  const property = dataset.properties.find((candidate) => `/${candidate.name}` === mapping.to)
  if (property === undefined) {
    const detail = `/map: given ${mapping.to}, wanted a property of ${dataset.name}; parse the manifest first`
    throw new AppError('MANIFEST_INVALID', detail)
  }
  const { constant, from = null } = mapping
  return { name: property.name, pointer: from, constant, ...chooseReading(mapping, property) }
}

/**
 * The given value as that of the field; undefined where it is none. The usual texts are seen to here, where V8 puts the
 * code in its place: calling one closure of many takes 5 % of mapping more.
 */
export function readField({ known, uncommon, read }: Field, given: unknown, findings: Findings): unknown {
  const value = known?.get(given)
  if (value !== undefined) return value
  const isLong = typeof given === 'string' && given.length > LONGEST_PLACEHOLDER
  return isLong && uncommon?.test(given) === false ? given : read(given, findings)
}

function chooseReading(mapping: Mapping, property: Property): Pick<Field, 'known' | 'uncommon' | 'read'> {
  const { codes, date, type = 'string' } = mapping
  const read = createRead(mapping, property)
  if (property.format === 'date' && codes === undefined) {
    return { known: null, uncommon: null, read: readUsualDays(read, date) }
  }
  if (hasFewValues(mapping, property)) {
    const known = new Map<unknown, unknown>()
    return { known, uncommon: null, read: remember(read, known) }
  }
  const isConverted = codes !== undefined || date !== undefined || type !== 'string'
  return { known: null, uncommon: isConverted ? null : uncommonOf(property), read }
}

function createRead(mapping: Mapping, property: Property): ReadValue {
  const codes = createCodeLookup(mapping)
  const convert = createConvert(mapping)
  const normalise = createNormaliser(property)
  return (given, findings) => {
    if (codes !== null && isPrimitive(given)) {
      const code = codes.get(String(given).trim())
      if (code !== undefined) return code
    }
    const value = convert === null ? given : convert(given)
    return typeof value === 'string' ? normalise(value, findings) : value
  }
}

const FEW_BY_FORMAT: ReadonlySet<unknown> = new Set(['cn-division6', 'cn-town9'])

/** Codes and divisions: the same few texts come again in row after row. */
function hasFewValues({ codes, type }: Mapping, property: Property): boolean {
  const isListed = codes !== undefined || property.codes !== null || property.values !== null
  return isListed || type === 'boolean' || FEW_BY_FORMAT.has(property.format)
}

/** What a junk column can fill is 20,000 short texts. */
const MOST_REMEMBERED = 20_000
const LONGEST_REMEMBERED = 20

/** Keeps what each text comes to, unless there is something to tell of it: 0.01 instead of 0.04 µs for a code. */
function remember(read: ReadValue, values: Map<unknown, unknown>): ReadValue {
  return (given, findings) => {
    const own = noFindings()
    const value = read(given, own)
    const isShort = typeof given === 'string' && given.length <= LONGEST_REMEMBERED
    if (isQuiet(own) && isShort && values.size < MOST_REMEMBERED) values.set(given, value)
    addFindings(findings, own)
    return value
  }
}
