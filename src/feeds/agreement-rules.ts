import type { Dataset, Property } from './datasets.ts'
import { findDeniedTopic } from './deny-list.ts'
import { fieldForms, isPossible, type FieldForm } from './forms.ts'
import { isRecoverable, type MaskId } from './mask-rules.ts'

/** What an agreement says about fields and rows, as the validator looks at it. */
export interface AgreementTerms {
  readonly forms: Readonly<Record<string, string>>
  /** Area code prefixes of 4 to 15 digits. */
  readonly area: readonly string[]
  /** The security administrator approved a second time that L4 fields leave in clear. */
  readonly isClearApproved: boolean
  readonly pageSize: number
  readonly recordsPerDay: number | null
}

/** One thing that is wrong: where, and what is wanted. */
export interface AgreementFault {
  readonly pointer: string
  readonly wanted: string
}

/** A change feed page holds at most so many records; an export has no page. */
export const MOST_PAGE = 1000

const isForm = (form: string): form is FieldForm => (fieldForms as readonly string[]).includes(form)

function findFormFaults(dataset: Dataset, { forms, isClearApproved }: AgreementTerms): readonly AgreementFault[] {
  return Object.entries(forms).flatMap(([name, form]) => {
    const property = dataset.properties.find((one) => one.name === name)
    const wanted = property === undefined ? `a property of ${dataset.name}` : wantedOf(property, form, isClearApproved)
    return wanted === null ? [] : [{ pointer: `/forms/${name}`, wanted }]
  })
}

/** What is wanted instead of this form; null where it may be. */
function wantedOf(property: Property, form: string, isClearApproved: boolean): string | null {
  if (!isForm(form)) return `one of ${fieldForms.join(', ')}`
  if (form === 'omit') return null
  const denied = findDeniedTopic(property.name) ?? findDeniedTopic(property.title)
  if (denied !== null || property.class === 'sensitive') return 'omit: the field is on the deny list'
  if (!isPossible(property, form)) return `another form: ${property.name} cannot leave as ${form}`
  if (form === 'clear' && property.level === 'L4' && !isClearApproved)
    return "another form than clear, or the security administrator's second approval for this L4 field"
  return null
}

/** The mask that a field effectively leaves under. A token or an omission gives nothing away. */
function effectiveMask(property: Property, forms: AgreementTerms['forms']): MaskId {
  const form = forms[property.name] ?? 'omit'
  if (form === 'clear') return 'NONE'
  return form === 'mask' ? property.mask : 'SUPPRESS'
}

/** Date of birth under whatever name: it is what ID_6_4 hides (domain §3.2). */
const isPersonalDate = ({ class: classified, format }: Property): boolean => classified === 'quasi' && format === 'date'

/** Codes and parts that lead to the address that another field hides, through address data that everybody may have. */
const LEADS_TO_ADDRESS: ReadonlySet<string> = new Set([
  'residenceAddressCode',
  'addressCode',
  'realEstateUnitNo',
  'houseId',
  'buildingName',
  'room',
  'lon',
  'lat',
  'place',
])

/** A field and the mask that it leaves under. */
interface Shown {
  readonly property: Property
  readonly mask: MaskId
}

/** A pair of fields where what is shown of one gives away what is hidden of the other. */
interface Leak {
  readonly isHidden: (hidden: Shown, dataset: Dataset) => boolean
  readonly isGivenBy: (shown: Shown, hidden: Shown) => boolean
  readonly wanted: string
}

const isCertificate = ({ property }: Shown): boolean => property.format === 'cn-certificate'

const leaks: readonly Leak[] = [
  {
    isHidden: isCertificate,
    isGivenBy: ({ property, mask }, hidden) => isPersonalDate(property) && isRecoverable(hidden.mask, mask),
    wanted: 'mask, generalise or omit: with it the masked certificate number can be worked out',
  },
  {
    isHidden: ({ property, mask }, { subject }) => property.name === subject?.number && mask !== 'NONE',
    isGivenBy: (shown) => isCertificate(shown) && shown.mask === 'NONE',
    wanted: 'mask, token or omit: numbers of other documents often repeat the certificate number',
  },
  {
    isHidden: ({ property, mask }) => property.mask.startsWith('ADDR_') && mask !== 'NONE',
    isGivenBy: ({ property, mask }) =>
      LEADS_TO_ADDRESS.has(property.name) && property.class === 'quasi' && mask === 'NONE',
    wanted: 'mask, token or omit: with it the hidden address can be looked up',
  },
]

function findLeaks(dataset: Dataset, { forms }: AgreementTerms): readonly AgreementFault[] {
  const fields = dataset.properties.map((property) => ({ property, mask: effectiveMask(property, forms) }))
  const found = leaks.flatMap(({ isHidden, isGivenBy, wanted }) => {
    const hidden = fields.filter((field) => isHidden(field, dataset))
    const givers = fields.filter((shown) => hidden.some((one) => one !== shown && isGivenBy(shown, one)))
    return givers.map(({ property }) => ({ pointer: `/forms/${property.name}`, wanted }))
  })
  return [...new Map(found.map((fault) => [fault.pointer, fault])).values()]
}

const AREA = /^\d{4,15}$/

function findAreaFaults(dataset: Dataset, { area }: AgreementTerms): readonly AgreementFault[] {
  const divisions = [...dataset.divisions.codes.keys()]
  const isKnown = (code: string): boolean => divisions.some((one) => one.startsWith(code) || code.startsWith(one))
  const faults = area.flatMap((code, place) =>
    AREA.test(code) && isKnown(code)
      ? []
      : [
          {
            pointer: `/area/${place}`,
            wanted: 'the first 4 to 15 digits of a division, community or grid code of the city',
          },
        ],
  )
  return area.length === 0 ? [{ pointer: '/area', wanted: 'at least one area' }] : faults
}

const isWhole = (value: number, most: number): boolean => Number.isInteger(value) && value >= 1 && value <= most

function findLimitFaults({ pageSize, recordsPerDay }: AgreementTerms): readonly AgreementFault[] {
  return [
    ...(isWhole(pageSize, MOST_PAGE)
      ? []
      : [{ pointer: '/pageSize', wanted: `a whole number from 1 to ${MOST_PAGE}` }]),
    ...(recordsPerDay === null || isWhole(recordsPerDay, Number.MAX_SAFE_INTEGER)
      ? []
      : [{ pointer: '/recordsPerDay', wanted: 'a whole number from 1, or null' }]),
  ]
}

/**
 * Everything that keeps terms from being an agreement: fields and forms that do not exist or are not possible, fields on the deny list,
 * L4 in clear without the second approval, combinations that recover a hidden field (domain §3.2), areas outside the city, limits.
 */
export function findAgreementFaults(dataset: Dataset, terms: AgreementTerms): readonly AgreementFault[] {
  return [
    ...findFormFaults(dataset, terms),
    ...findLeaks(dataset, terms),
    ...findAreaFaults(dataset, terms),
    ...findLimitFaults(terms),
  ]
}

/** The digits that every division begins with: an area that names them is the whole city. */
export function wholeCityOf({ divisions }: Pick<Dataset, 'divisions'>): string {
  const [first = '', ...others] = divisions.codes.keys()
  let length = first.length
  for (const code of others) while (!code.startsWith(first.slice(0, length))) length -= 1
  return first.slice(0, length)
}
