import { folds, unify } from './folds.ts'
import { toEighteen } from './formats.ts'

/** Certificate types whose number is a citizen number (GB 11643). */
const CITIZEN_TYPES: ReadonlySet<unknown> = new Set(['111', '112'])

/**
 * Whose numbering a certificate's number belongs to. The identity card (111) and the temporary one (112) carry the same citizen
 * number, so a person whom one department files under 111 and another under 112 has one token. Every other type has a
 * numbering of its own: a passport number may be another person's permit number.
 */
function numberSpaceOf(type: unknown): string {
  if (CITIZEN_TYPES.has(type)) return 'citizen'
  return typeof type === 'string' ? type : ''
}

/** A citizen number begins with the digit of its region, 1 to 7; none of `otherForms` does. */
const CITIZEN_START = /^[1-7]/

/** Numbers that departments file under 111 though their form tells another certificate. */
const otherForms: readonly { readonly form: RegExp; readonly type: string }[] = [
  { form: /^8[123]0000\d{11}[\dX]$/, type: 'HMT_RP' },
  { form: /^9\d{16}[\dX]$/, type: '553' },
  { form: /^[A-Z]{3}\d{12}$/, type: '553' },
]

/** Type and number of a certificate. */
export interface Certificate {
  readonly type: unknown
  readonly number: string
}

/** The first character with which one of `otherForms` begins. */
const FIRST_OTHER = '8'.charCodeAt(0)

/** True for what `settle` leaves as it is, by one quick look: nearly every citizen number. */
export const isSettled = ({ type, number }: Certificate): boolean =>
  !CITIZEN_TYPES.has(type) || (number.length === 18 && number.charCodeAt(0) < FIRST_OTHER)

/**
 * The certificate that is meant: a 15-digit citizen number gets 18 characters (DQ-014), a number that is clearly of another certificate
 * takes that type (DQ-016). `rule` names what was done; null where nothing was.
 */
export function settle({ type, number }: Certificate): Certificate & { readonly rule: 'DQ-014' | 'DQ-016' | null } {
  const asGiven = { type, number, rule: null }
  if (!CITIZEN_TYPES.has(type)) return asGiven
  const eighteen = toEighteen(number)
  if (eighteen !== null) return { type, number: eighteen, rule: 'DQ-014' }
  if (CITIZEN_START.test(number)) return asGiven
  const other = otherForms.find(({ form }) => form.test(number))
  return other === undefined ? asGiven : { type: other.type, number, rule: 'DQ-016' }
}

/** What a person is known by across departments; the text that its keyed token is made of. The certificate is a settled one. */
export const subjectName = ({ type, number }: Certificate): string => `CN:${numberSpaceOf(type)}:${number}`

/** A certificate as somebody wrote it, made the way in which records hold it. */
export function readCertificate(type: string, number: string): Certificate {
  return settle({ type: folds.exact(unify(type, 'exact')), number: folds.upper(unify(number, 'upper')) })
}
