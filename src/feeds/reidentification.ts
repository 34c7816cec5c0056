import type { Dataset, Property } from './datasets.ts'
import type { FieldForm } from './forms.ts'

type Forms = Readonly<Record<string, FieldForm>>

const formOf = (forms: Forms, { name }: Property): FieldForm =>
  Object.hasOwn(forms, name) ? (forms[name] ?? 'omit') : 'omit'

/** True where the field leaves in some form. Of a suppressed value nothing is left to mask. */
const leaves = (property: Property, form: FieldForm): boolean =>
  form !== 'omit' && !(form === 'mask' && property.mask === 'SUPPRESS')

/** True where something of the value itself leaves, and not only a token of it. */
const shows = (property: Property, form: FieldForm): boolean =>
  leaves(property, form) && form !== 'token' && !(form === 'mask' && property.mask === 'TOKEN')

/**
 * The quasi-identifiers by whose combination a record could be traced back to its person, where an agreement shows no identifier and so
 * claims that it cannot be: identifiers leave as tokens or not at all. Null where that is not so: a record that shows an identifier
 * is known to be of somebody, and one without a quasi-identifier is like every other (GB/T 42460-2023 judges such data by K-anonymity).
 */
export function classFieldsOf({ properties, subject }: Dataset, forms: Forms): readonly string[] | null {
  const identifiers = properties.filter((property) => property.class === 'identifier')
  if (subject === null || identifiers.some((property) => shows(property, formOf(forms, property)))) return null
  const quasi = properties.filter((property) => property.class === 'quasi' && leaves(property, formOf(forms, property)))
  return quasi.length === 0 ? null : quasi.map(({ name }) => name)
}
