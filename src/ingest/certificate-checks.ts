import {
  birthDateOf,
  citizenNumberFault,
  foreignResidentFault,
  permitNumberFault,
  sexOf,
  type NumberFault,
} from '../feeds/formats.ts'

/** The rule a number of a certificate type breaks, or null. `today` is yyyy-MM-dd. */
type NumberCheck = (number: string, today: string) => string | null

const faultRules: Readonly<Record<NumberFault, string>> = { shape: 'DQ-010', date: 'DQ-012', check: 'DQ-013' }
/** What Excel leaves of an 18-digit number: scientific notation, or the last three digits lost (15 significant digits). */
const ROUNDED = /^\d{15}000$/
const SCIENTIFIC = 'E+'

const eighteen =
  (faultOf: (number: string, today: string) => NumberFault | null): NumberCheck =>
  (number, today) => {
    const fault = faultOf(number, today)
    if (fault === null) return null
    return ROUNDED.test(number) ? 'DQ-011' : faultRules[fault]
  }

const formed =
  (form: RegExp, rule: string): NumberCheck =>
  (number) =>
    form.test(number) ? null : rule

/** Passports have a certain form; the forms of travel permits are less certain, so they only warn (DQ-016). */
const PASSPORT = formed(/^[A-Z0-9]{5,17}$/, 'DQ-010')
const checksByType: ReadonlyMap<unknown, NumberCheck> = new Map<unknown, NumberCheck>([
  ['111', eighteen(citizenNumberFault)],
  ['112', eighteen(citizenNumberFault)],
  ['HMT_RP', eighteen(permitNumberFault)],
  ['553', eighteen(foreignResidentFault)],
  ['411', PASSPORT],
  ['412', PASSPORT],
  ['413', PASSPORT],
  ['414', PASSPORT],
  ['516', formed(/^(?:[HMC]\d{8,10}|\d{9})$/, 'DQ-016')],
  ['511', formed(/^(?:\d{8}(?:[0-9A-Z]{2})?|[A-Z]\d{7,10})$/, 'DQ-016')],
])

/** True where a spreadsheet has damaged a number of unknown certificate type. */
export function isDamaged(number: string): boolean {
  return number.includes(SCIENTIFIC) || (ROUNDED.test(number) && citizenNumberFault(number) !== null)
}

/** The quality rule that a normalised number breaks under its certificate type, or null. */
export function findNumberFault(type: unknown, number: string, today: string): string | null {
  if (number.includes(SCIENTIFIC)) return 'DQ-011'
  return checksByType.get(type)?.(number, today) ?? null
}

const EIGHTEEN = /^\d{17}[\dX]$/
const COMPARED_SEX: ReadonlySet<unknown> = new Set(['1', '2'])

/** True where a number of 18 characters tells another birth date or sex than the record does. */
export function contradicts(number: string, birthDate: unknown, sex: unknown): boolean {
  if (!EIGHTEEN.test(number)) return false
  if (birthDate !== undefined && birthDate !== birthDateOf(number)) return true
  return COMPARED_SEX.has(sex) && sex !== sexOf(number)
}
