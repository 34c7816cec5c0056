import type { Fields } from '../record.ts'
import type { Dataset, Property } from './datasets.ts'
import { addMember, jsonMember, type JsonMember } from './flat-json.ts'
import { birthDateOf, dayOf, isDate } from './formats.ts'
import { maskValue, type MaskContext, type MaskId } from './mask-rules.ts'

/** One property with the rule that holds for one kind of record. */
interface Step {
  readonly member: JsonMember
  readonly mask: MaskId
}

/** The masks of a dataset, laid out once for the four kinds of record. */
interface Plan {
  readonly ordinary: readonly Step[]
  readonly minor: readonly Step[]
  readonly individual: readonly Step[]
  readonly hasMinorMasks: boolean
  readonly hasIndividualMasks: boolean
}

const plans = new WeakMap<Dataset, Plan>()

/** PIPL Art. 28 and 31: information about a child under this age is sensitive as a whole. */
const MINOR_YEARS = 14
const INDIVIDUAL_PREFIX = '92'
const EIGHTEEN = /^\d{17}[\dX]$/

function layOut(dataset: Dataset, rule: (property: Property) => MaskId): readonly Step[] {
  const steps = dataset.properties.map((property) => ({ member: jsonMember(property.name), mask: rule(property) }))
  return steps.filter((step) => step.mask !== 'SUPPRESS')
}

function planOf(dataset: Dataset): Plan {
  const known = plans.get(dataset)
  if (known !== undefined) return known
  const plan: Plan = {
    ordinary: layOut(dataset, (property) => property.mask),
    minor: layOut(dataset, (property) => property.minorMask ?? property.mask),
    individual: layOut(dataset, (property) => property.individualMask ?? property.mask),
    hasMinorMasks: dataset.properties.some((property) => property.minorMask !== null),
    hasIndividualMasks: dataset.properties.some((property) => property.individualMask !== null),
  }
  plans.set(dataset, plan)
  return plan
}

const cutoffs = new WeakMap<Date, string>()

/** A person born after this day (yyyy-MM-dd) is under 14 on `today`. Remembered per Date: a page shares one. */
function minorAfter(today: Date): string {
  const known = cutoffs.get(today)
  if (known !== undefined) return known
  const day = dayOf(today)
  const cutoff = String(Number(day.slice(0, 4)) - MINOR_YEARS).padStart(4, '0') + day.slice(4)
  cutoffs.set(today, cutoff)
  return cutoff
}

/**
 * True where the birth date of the record, or the one inside the person's 18-character number, is less than 14 years
 * before `today` (China Standard Time). Where the two differ, the younger one counts.
 */
export function isMinorRecord(dataset: Dataset, fields: Fields, today: Date): boolean {
  const after = minorAfter(today)
  const birth = fields['birthDate']
  if (typeof birth === 'string' && isDate(birth) && birth > after) return true
  const number = dataset.subject === null ? undefined : fields[dataset.subject.number]
  return typeof number === 'string' && EIGHTEEN.test(number) && birthDateOf(number) > after
}

function stepsFor(plan: Plan, fields: Fields, isMinor: boolean): readonly Step[] {
  if (plan.hasMinorMasks && isMinor) return plan.minor
  const code = plan.hasIndividualMasks ? fields['uscc'] : undefined
  return typeof code === 'string' && code.startsWith(INDIVIDUAL_PREFIX) ? plan.individual : plan.ordinary
}

/**
 * The masked view of one record as JSON text: only properties of the schema, each under the rule that fits this record (a
 * child under 14: `x-gb-mask-minor`; an individual business: `x-gb-mask-individual`). Absent and suppressed fields are
 * left out. `token` gives the keyed token of a value; `isMinor` tells whether the record is of a child. Idempotent but for TOKEN.
 */
export function maskText(dataset: Dataset, fields: Fields, token: (value: string) => string, isMinor: boolean): string {
  const context: MaskContext = { token }
  const pieces = ['{']
  for (const { member, mask } of stepsFor(planOf(dataset), fields, isMinor)) {
    const value = fields[member.name]
    if (value === undefined || value === null) continue
    addMember(pieces, member, mask === 'NONE' ? value : maskValue(mask, value, context))
  }
  pieces.push('}')
  return pieces.join('')
}

/** The masked view of one record as values; see `maskText`, which is what rests. */
export function maskFields(dataset: Dataset, fields: Fields, token: (value: string) => string, today: Date): Fields {
  return JSON.parse(maskText(dataset, fields, token, isMinorRecord(dataset, fields, today))) as Fields
}
