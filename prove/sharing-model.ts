import type { Dataset, Property } from '../src/feeds/datasets.ts'
import type { KeyRing } from '../src/security/key-ring.ts'
import type { Agreement } from '../src/store/agreements.ts'

/** A record as its source told of it, and what rests of it; all the model looks at. */
export interface ModelRecord {
  readonly id: string
  readonly version: number
  readonly isGone: boolean
  readonly clear: Readonly<Record<string, unknown>>
  readonly masked: Readonly<Record<string, unknown>>
  readonly subject: string | null
  readonly isMinor: boolean
  /** Every area the record ever lay in, the present one last; null: none. */
  readonly areas: readonly (string | null)[]
}

export interface ModelDay {
  readonly keys: KeyRing
  /** yyyy-MM-dd */
  readonly today: string
}

/** What a consumer should hold of a record: its fields, a deletion, or nothing at all. */
export type Expected = Readonly<Record<string, unknown>> | 'delete' | 'nothing'

const TOKENS = /^(ID_|PHONE_3_4$|TOKEN$|PARCEL$)/

function ageBand(born: string, today: string): string {
  const age = Math.floor((Number(today.replaceAll('-', '')) - Number(born.replaceAll('-', ''))) / 10_000)
  return age >= 90 ? '90+' : `${age - (age % 5)}-${age - (age % 5) + 4}`
}

function coarser(property: Property, value: unknown, today: string): unknown {
  if (property.name === 'birthDate') return ageBand(String(value), today)
  if (property.mask.startsWith('BIRTH_')) return String(value).slice(0, 4)
  if (property.mask.startsWith('ADDR_')) return `${/^.*?(街道|镇|乡)/.exec(String(value))?.[0] ?? ''}****`
  if (property.mask === 'GEO_3') return Math.round(Number(value) * 100) / 100
  if (property.format === 'cn-grid15') return String(value).slice(0, 12)
  return property.format === 'cn-community12' || property.format === 'cn-town9' ? String(value).slice(0, 6) : undefined
}

function expectedField(
  property: Property,
  form: unknown,
  record: ModelRecord,
  by: ModelDay & { dataset: Dataset; consumerId: number },
): unknown {
  const { clear, masked, subject, isMinor } = record
  const value = clear[property.name]
  if (value === undefined) return undefined
  const isSubject = property.name === by.dataset.subject?.number
  switch (form) {
    case 'mask':
      return masked[property.name]
    case 'clear':
      return isMinor ? masked[property.name] : value
    case 'generalise':
      return coarser(property, value, by.today)
    case 'token':
      if (!TOKENS.test(property.mask)) return undefined
      if (isSubject) return by.keys.token('share', `${by.consumerId}|subject|${subject ?? ''}`)
      return typeof value === 'string'
        ? by.keys.token('share', `${by.consumerId}|${property.format ?? property.name}|${value}`)
        : undefined
    default:
      return undefined
  }
}

/** What may leave, told a second time as plainly as it can be: the rules of agreements, on what the source said. */
export function expectedOf(record: ModelRecord, agreement: Agreement, dataset: Dataset, day: ModelDay): Expected {
  const lies = (code: string | null): boolean =>
    agreement.area.some((prefix) => prefix === '5105' || (code !== null && code.startsWith(prefix)))
  if (!lies(record.areas.at(-1) ?? null)) return record.areas.some(lies) ? 'delete' : 'nothing'
  if (record.isGone) return 'delete'
  const by = { ...day, dataset, consumerId: agreement.consumerId }
  const forms: Readonly<Record<string, unknown>> = agreement.forms
  const fields = dataset.properties.map((property) => {
    const form = Object.hasOwn(forms, property.name) ? forms[property.name] : undefined
    return [property.name, expectedField(property, form, record, by)] as const
  })
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined))
}
