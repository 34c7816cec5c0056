import { AppError } from '../errors.ts'
import type { Dataset, Property } from './datasets.ts'
import { canBeToken, generalisationOf, type FieldForm } from './forms.ts'

type Forms = Readonly<Record<string, FieldForm>>

/** What a property is to a profile. The first that fits decides. */
const kinds = [
  { kind: 'certificate', fits: ({ format }: Property) => format === 'cn-certificate' },
  { kind: 'name', fits: ({ mask }: Property) => mask.startsWith('NAME_') },
  { kind: 'contact', fits: ({ mask }: Property) => mask === 'PHONE_3_4' || mask === 'LANDLINE' || mask === 'EMAIL' },
  { kind: 'address', fits: ({ mask }: Property) => mask.startsWith('ADDR_') },
  { kind: 'date', fits: ({ mask }: Property) => mask.startsWith('BIRTH_') },
  { kind: 'hidden', fits: ({ mask }: Property) => mask === 'SUPPRESS' },
  { kind: 'narrow', fits: ({ mask }: Property) => mask !== 'NONE' },
  { kind: 'area', fits: ({ class: classified, format }: Property) => classified === 'quasi' && format === 'cn-grid15' },
  { kind: 'quasi', fits: ({ class: classified }: Property) => classified === 'quasi' },
  { kind: 'plain', fits: () => true },
] as const

type Kind = (typeof kinds)[number]['kind']

/**
 * Mask profiles that ship, by kind of property. P0 for an approved application that names each field, P1 for screens of the grid
 * platform, P2 for statistics, P3 for public notices, P4 as for children under 14. A profile is a beginning: an agreement keeps
 * the forms themselves. Where a form is not possible for a property, the field is omitted.
 */
const profiles = {
  P0_RAW: {
    certificate: 'clear',
    name: 'clear',
    contact: 'clear',
    address: 'clear',
    date: 'clear',
    hidden: 'clear',
    narrow: 'clear',
    area: 'clear',
    quasi: 'clear',
    plain: 'clear',
  },
  P1_OPERATOR: {
    certificate: 'mask',
    name: 'mask',
    contact: 'mask',
    address: 'mask',
    date: 'mask',
    hidden: 'omit',
    narrow: 'mask',
    area: 'mask',
    quasi: 'mask',
    plain: 'mask',
  },
  P2_ANALYSIS: {
    certificate: 'token',
    name: 'omit',
    contact: 'omit',
    address: 'omit',
    date: 'generalise',
    hidden: 'omit',
    narrow: 'omit',
    area: 'generalise',
    quasi: 'mask',
    plain: 'mask',
  },
  P3_PUBLIC_NOTICE: {
    certificate: 'omit',
    name: 'mask',
    contact: 'omit',
    address: 'generalise',
    date: 'omit',
    hidden: 'omit',
    narrow: 'omit',
    area: 'omit',
    quasi: 'omit',
    plain: 'mask',
  },
  P4_MINOR: {
    certificate: 'token',
    name: 'mask',
    contact: 'mask',
    address: 'generalise',
    date: 'generalise',
    hidden: 'omit',
    narrow: 'omit',
    area: 'mask',
    quasi: 'mask',
    plain: 'mask',
  },
} as const satisfies Record<string, Record<Kind, FieldForm>>

export type ProfileName = keyof typeof profiles
export const profileNames = Object.keys(profiles) as readonly ProfileName[]

const kindOf = (property: Property): Kind => kinds.find(({ fits }) => fits(property))?.kind ?? 'hidden'

function formOf(property: Property, form: FieldForm): FieldForm {
  if (form === 'token' && !canBeToken(property)) return 'omit'
  return form === 'generalise' && generalisationOf(property) === null ? 'omit' : form
}

/** The forms a profile grants on a dataset, for every property. Throws AGREEMENT_INVALID for a profile that does not exist. */
export function formsOfProfile(profile: string, dataset: Dataset): Forms {
  if (!Object.hasOwn(profiles, profile))
    throw new AppError(
      'AGREEMENT_INVALID',
      `there is no profile "${profile}"; choose one of ${profileNames.join(', ')}`,
    )
  const byKind = profiles[profile as ProfileName]
  return Object.fromEntries(
    dataset.properties.map((property) => [property.name, formOf(property, byKind[kindOf(property)])]),
  )
}
