import { AppError } from '../errors.ts'
import type { Dataset, Property } from '../feeds/datasets.ts'
import type { Mapping } from '../feeds/manifest-types.ts'
import { createCodeLookup, createConvert, isPrimitive } from './convert.ts'
import { createNormaliser, noFindings, warn, type Findings } from './normalise.ts'

/** One property and everything needed to fill it, worked out once per manifest. */
export interface Field {
  readonly name: string
  /** Where the row has the value; null for a constant. */
  readonly pointer: string | null
  readonly constant: unknown
  readonly read: ReadValue
}

/** A given value as that of the property; undefined where it is none. What it brings to light is added to the findings. */
type ReadValue = (given: unknown, findings: Findings) => unknown

/** The field that a mapping fills. Throws AppError MANIFEST_INVALID where the dataset has no such property. */
export function createField(mapping: Mapping, dataset: Dataset): Field {
  const property = dataset.properties.find((candidate) => `/${candidate.name}` === mapping.to)
  if (property === undefined) {
    const detail = `/map: given ${mapping.to}, wanted a property of ${dataset.name}; parse the manifest first`
    throw new AppError('MANIFEST_INVALID', detail)
  }
  const read = createRead(mapping, property)
  const { constant, from = null } = mapping
  return { name: property.name, pointer: from, constant, read: hasFewValues(mapping, property) ? remember(read) : read }
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

const FEW_BY_FORMAT: ReadonlySet<unknown> = new Set(['date', 'cn-division6', 'cn-town9'])

/** Codes, days and divisions: the same few texts come again in row after row. */
function hasFewValues({ codes, type }: Mapping, property: Property): boolean {
  const isListed = codes !== undefined || property.codes !== null || property.values !== null
  return isListed || type === 'boolean' || FEW_BY_FORMAT.has(property.format)
}

/** Fifty years of days; what a junk column can fill is 20,000 short texts. */
const MOST_REMEMBERED = 20_000
const LONGEST_REMEMBERED = 20

/** Reads each text once, unless there is something to tell of it: 0.01 instead of 0.04 µs for a code and 0.13 for a day. */
function remember(read: ReadValue): ReadValue {
  const values = new Map<unknown, unknown>()
  return (given, findings) => {
    const known = values.get(given)
    if (known !== undefined) return known
    const own = noFindings()
    const value = read(given, own)
    const isQuiet = own.warnings.length === 0 && own.faults.length === 0
    const isShort = typeof given === 'string' && given.length <= LONGEST_REMEMBERED
    if (isQuiet && isShort && values.size < MOST_REMEMBERED) values.set(given, value)
    for (const rule of own.warnings) warn(findings, rule)
    findings.faults.push(...own.faults)
    return value
  }
}
