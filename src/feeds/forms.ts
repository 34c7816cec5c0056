import type { Property } from './datasets.ts'
import type { MaskId } from './mask-rules.ts'
import { maskValue } from './mask-rules.ts'

/**
 * How a field leaves under an agreement: `mask` as the masked view shows it, `token` as a keyed token of the consumer's own,
 * `generalise` as something coarser that is still true, `clear` as it is, `omit` not at all. What is not named is omitted.
 */
export const fieldForms = ['omit', 'mask', 'token', 'generalise', 'clear'] as const
export type FieldForm = (typeof fieldForms)[number]

/** The coarser value; null where the value is of no kind that can be made coarser. `today` is the day of an age. */
export type Generalise = (value: unknown, today: string) => unknown

const BAND_YEARS = 5
const OLDEST_BAND = 90

/** Five-year band of age on a day (yyyy-MM-dd), `30-34`, `90+`: domain practice for statistics. */
function ageBand(value: unknown, today: string): string | null {
  if (typeof value !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(value)) return null
  const years = Number(today.slice(0, 4)) - Number(value.slice(0, 4)) - (today.slice(5) < value.slice(5) ? 1 : 0)
  if (years < 0) return null
  if (years >= OLDEST_BAND) return `${OLDEST_BAND}+`
  const start = Math.floor(years / BAND_YEARS) * BAND_YEARS
  return `${start}-${start + BAND_YEARS - 1}`
}

const firstDigits =
  (count: number): Generalise =>
  (value) =>
    typeof value === 'string' && value.length >= count ? value.slice(0, count) : null

/** Two decimals of a degree are about a kilometre. */
const toKilometre: Generalise = (value) => (typeof value === 'number' ? Math.round(value * 100) / 100 : null)

const toTown: Generalise = (value) => maskValue('ADDR_TOWN', value, { token: () => '' })

const toYear: Generalise = (value) =>
  typeof value === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(value) ? value.slice(0, 4) : null

/** The first that fits decides. A property that fits none cannot be generalised. */
const generalisations: readonly { readonly fits: (property: Property) => boolean; readonly generalise: Generalise }[] =
  [
    { fits: ({ name }) => name === 'birthDate', generalise: ageBand },
    { fits: ({ mask, format }) => mask.startsWith('BIRTH_') && format === 'date', generalise: toYear },
    { fits: ({ mask }) => mask.startsWith('ADDR_'), generalise: toTown },
    { fits: ({ mask }) => mask === 'GEO_3', generalise: toKilometre },
    { fits: ({ format }) => format === 'cn-grid15', generalise: firstDigits(12) },
    { fits: ({ format }) => format === 'cn-community12' || format === 'cn-town9', generalise: firstDigits(6) },
  ]

/** How the property is made coarser; null where it cannot be. */
export const generalisationOf = (property: Property): Generalise | null =>
  generalisations.find(({ fits }) => fits(property))?.generalise ?? null

/** Names, dates and codes of few values are recognised by how often they occur, so they never become tokens (reliability of pseudonyms). */
const TOKEN_MASKS: ReadonlySet<MaskId> = new Set([
  'ID_6_4',
  'ID_4_4',
  'ID_1_1',
  'TOKEN',
  'PHONE_3_4',
  'PARCEL',
  'PASSPORT',
])

/** True where a token of the property does not tell its value by frequency. */
export const canBeToken = ({ mask }: Property): boolean => TOKEN_MASKS.has(mask)

/** True where the property can leave in that form at all. */
export function isPossible(property: Property, form: FieldForm): boolean {
  if (form === 'token') return canBeToken(property)
  return form === 'generalise' ? generalisationOf(property) !== null : true
}

/** True where making the form needs the sealed value. */
export function needsClear(property: Property, form: FieldForm): boolean {
  return property.sealed && (form === 'clear' || form === 'generalise' || form === 'token')
}
