import type { Dataset } from '../feeds/datasets.ts'
import { toEighteen } from '../feeds/formats.ts'
import { warn, type Findings } from './normalise.ts'

/** Certificate types whose number is a citizen number (GB 11643). */
const isCitizenType = (type: unknown): boolean => type === '111' || type === '112'

/**
 * Whose numbering a certificate's number belongs to. The identity card (111) and the temporary one (112) carry the same citizen
 * number, so a person whom one department files under 111 and another under 112 has one token. Every other type has a
 * numbering of its own: a passport number may be another person's permit number.
 */
export function numberSpaceOf(type: unknown): string {
  if (isCitizenType(type)) return 'citizen'
  return typeof type === 'string' ? type : ''
}

/** The first character with which one of `otherForms` begins; a citizen number begins with the digit of its region, 1 to 7. */
const FIRST_OTHER = '8'.charCodeAt(0)

/** Numbers that departments file under 111 though their form tells another certificate. */
const otherForms: readonly { readonly form: RegExp; readonly type: string }[] = [
  { form: /^8[123]0000\d{11}[\dX]$/, type: 'HMT_RP' },
  { form: /^9\d{16}[\dX]$/, type: '553' },
  { form: /^[A-Z]{3}\d{12}$/, type: '553' },
]

/**
 * Certificate type and number of the person a record names, made one: a 15-digit citizen number gets 18 characters
 * (DQ-014), a number that is clearly of another certificate takes that type (DQ-016). Changes `fields`, which the
 * caller is still building.
 */
export function settleCertificate(dataset: Dataset, fields: Record<string, unknown>, findings: Findings): void {
  if (dataset.subject === null) return
  const { type, number } = dataset.subject
  const given = fields[number]
  if (typeof given !== 'string' || !isCitizenType(fields[type])) return
  const eighteen = toEighteen(given)
  if (eighteen !== null) {
    fields[number] = eighteen
    warn(findings, 'DQ-014')
    return
  }
  if (given.charCodeAt(0) < FIRST_OTHER) return
  const other = otherForms.find((entry) => entry.form.test(given))
  if (other === undefined) return
  fields[type] = other.type
  warn(findings, 'DQ-016')
}
