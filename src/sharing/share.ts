import { wholeCityOf } from '../feeds/agreement-rules.ts'
import type { Dataset, Property } from '../feeds/datasets.ts'
import { generalisationOf, isPossible, needsClear, type FieldForm } from '../feeds/forms.ts'
import { dayOf } from '../feeds/formats.ts'
import { maskValue } from '../feeds/mask-rules.ts'
import type { Fields, SharedJson, SharedRecord } from '../record.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { open } from '../security/seal.ts'
import type { Agreement } from '../store/agreements.ts'
import type { Change, Selection } from '../store/changes.ts'

/** What sharing needs beside records and agreement: the rules of the dataset, the keys, and the day of an age. */
export interface Sharing {
  readonly dataset: Dataset
  readonly keys: KeyRing
  readonly today: Date
  /** What leaves is a file that is kept: certificate numbers show two digits less than on a screen. */
  readonly isFile?: boolean
}

/** One record on its way out. `clear` opens its sealed fields once, when a form first asks. */
interface Outgoing {
  readonly change: Change
  readonly masked: Fields
  readonly clear: () => Fields
  readonly sharing: Sharing
  readonly consumerId: number
}

type Form = (outgoing: Outgoing, property: Property) => unknown

const own = (fields: Fields, name: string): unknown => (Object.hasOwn(fields, name) ? fields[name] : undefined)

/** The value as the source said it: sealed where the masked view hides it. */
const clearValue: Form = ({ masked, clear }, property) => own(property.sealed ? clear() : masked, property.name)

/**
 * A token of the consumer's own, so that two consumers cannot put their data together. The number that the record's person is known by
 * gives the same token in every dataset.
 */
const tokenOf: Form = (outgoing, property) => {
  const { change, sharing, consumerId } = outgoing
  const isSubject = property.name === sharing.dataset.subject?.number
  const value = isSubject ? change.subject : clearValue(outgoing, property)
  if (typeof value !== 'string' || value === '') return undefined
  const kind = isSubject ? 'subject' : (property.format ?? property.name)
  return sharing.keys.token('share', `${consumerId}|${kind}|${value}`)
}

const coarser: Form = (outgoing, property) => {
  const value = clearValue(outgoing, property)
  if (value === undefined) return undefined
  return generalisationOf(property)?.(value, dayOf(outgoing.sharing.today)) ?? undefined
}

const asMasked: Form = ({ masked }, { name }) => own(masked, name)

/**
 * Beside a band of five years a certificate number masked 6+4 leaves about 166 candidates: enough of a screen, too few for a file (domain
 * §3.3). Numbers of other kinds are hidden whole.
 */
const asMaskedInFile: Form = (outgoing, property) => {
  const value = asMasked(outgoing, property)
  if (property.mask !== 'ID_6_4' || value === undefined) return value
  return maskValue('ID_4_4', value, { token: () => '' }) ?? undefined
}

/** How each form is made. A form that is not here does not exist, and a field without a form does not leave. */
const forms = {
  omit: () => undefined,
  mask: asMasked,
  token: tokenOf,
  generalise: coarser,
  clear: clearValue,
} as const satisfies Record<FieldForm, Form>

const formsInFile = { ...forms, mask: asMaskedInFile } as const satisfies Record<FieldForm, Form>

/** A child's record takes the strictest: nothing of it leaves in clear, whatever was granted (PIPL Art. 31). */
const strictest = (form: FieldForm): FieldForm => (form === 'clear' ? 'mask' : form)

/** One property and its form for ordinary records and for those of children. */
interface Grant {
  readonly property: Property
  readonly form: Form
  readonly minorForm: Form
}

/** The grants of an agreement. Names come from the database, so what every object has by birth is no form and no field. */
function grantsOf(agreement: Agreement, dataset: Dataset, isFile = false): readonly Grant[] {
  const made = isFile ? formsInFile : forms
  return dataset.properties.flatMap((property) => {
    const form = Object.hasOwn(agreement.forms, property.name) ? agreement.forms[property.name] : undefined
    if (form === undefined || form === 'omit' || !Object.hasOwn(forms, form) || !isPossible(property, form)) return []
    return [{ property, form: made[form], minorForm: made[strictest(form)] }]
  })
}

/** What has to be read of the dataset for an agreement, and nothing else. */
export function selectionOf(agreement: Agreement, dataset: Dataset): Selection {
  const granted = grantsOf(agreement, dataset).map(({ property }) => property)
  const names = new Set(granted.map(({ name }) => name))
  return {
    datasetId: agreement.datasetId,
    unwanted: dataset.names.filter((name) => !names.has(name)),
    wantsSealed: granted.some((property) => needsClear(property, agreement.forms[property.name] ?? 'omit')),
    area: isWholeCity(agreement, dataset) ? null : agreement.area,
  }
}

const isWholeCity = ({ area }: Agreement, dataset: Dataset): boolean => area.includes(wholeCityOf(dataset))

/** What an agreement comes to on a dataset, worked out once for many records. */
interface Terms {
  readonly grants: readonly Grant[]
  /** Fits a masked view that may leave as it is; null where some field leaves in another form than its mask. */
  readonly grantedView: RegExp | null
  readonly isInside: (code: string) => boolean
  readonly isWhole: boolean
  readonly consumerId: number
  readonly sharing: Sharing
}

/** A JSON text, number or word, as PostgreSQL writes it. Linear: no character begins two of the alternatives. */
const SCALAR = String.raw`(?:"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*|true|false|null)`

/**
 * Fits the text of a masked view that holds fields of these names and no others, each with a plain value: what is anything else is taken
 * apart and made anew. Five times as quick as parsing, which would also leave a megabyte of garbage for each page.
 */
function viewOf(names: readonly string[]): RegExp {
  const member = `"(?:${names.map((name) => name.replaceAll(/\W/g, String.raw`\$&`)).join('|')})": ${SCALAR}`
  return new RegExp(String.raw`^\{(?:${member}(?:, ${member})*)?\}$`)
}

function termsOf(agreement: Agreement, sharing: Sharing): Terms {
  const { area, consumerId } = agreement
  const grants = grantsOf(agreement, sharing.dataset, sharing.isFile)
  const isMasked =
    grants.length > 0 && grants.every(({ form, minorForm }) => form === forms.mask && minorForm === forms.mask)
  return {
    grants,
    grantedView: isMasked ? viewOf(grants.map(({ property }) => property.name)) : null,
    isInside: (code) => area.some((prefix) => code.startsWith(prefix)),
    isWhole: isWholeCity(agreement, sharing.dataset),
    consumerId,
    sharing,
  }
}

/** Where a record lies for an agreement: inside its area, once inside, or never. */
function placeOf({ areaCode, pastAreas }: Change, { isWhole, isInside }: Terms): 'inside' | 'left' | 'never' {
  if (isWhole || (areaCode !== null && isInside(areaCode))) return 'inside'
  return pastAreas?.some(isInside) === true ? 'left' : 'never'
}

function openOnce(change: Change, { dataset, keys }: Sharing): () => Fields {
  let fields: Fields | null = null
  return () => {
    if (fields !== null) return fields
    const bound = `record|${dataset.name}|${change.feed}|${change.recordId}`
    fields = change.sealed === null ? {} : (JSON.parse(open(keys.sealKey, bound, change.sealed)) as Fields)
    return fields
  }
}

function shareFields(change: Change, masked: Fields, { grants, sharing, consumerId }: Terms): Fields {
  const outgoing = { change, masked, clear: openOnce(change, sharing), sharing, consumerId }
  const fields: Record<string, unknown> = {}
  for (const { property, form, minorForm } of grants) {
    const value = (change.isMinor ? minorForm : form)(outgoing, property)
    if (value !== undefined) fields[property.name] = value
  }
  return fields
}

/** The JSON of the masked view where it may be read at this place; null for a deletion. */
const maskedAt = (place: 'inside' | 'left', { masked }: Change): string | null => (place === 'inside' ? masked : null)

function shareOne(change: Change, place: 'inside' | 'left', terms: Terms): SharedRecord {
  const masked = maskedAt(place, change)
  const record = masked === null ? null : shareFields(change, JSON.parse(masked) as Fields, terms)
  const shared = {
    operation: record === null ? 'delete' : 'upsert',
    id: `${change.feed}/${change.recordId}`,
    version: change.version,
    changedAt: writeTime(change.changedAt),
    record,
    ...(change.withdrawn === null ? {} : { reason: change.withdrawn }),
  }
  return shared as unknown as SharedRecord
}

/**
 * What one consumer receives of these changes under its agreement: the only function that makes a SharedRecord, and so, with the same as
 * JSON below, the only way out, for push, pull and export. A record that left the agreement's area is a deletion there; one that never lay
 * in it does not show at all. Throws SEAL_BROKEN, KEY_UNAVAILABLE.
 */
export function share(changes: readonly Change[], agreement: Agreement, sharing: Sharing): readonly SharedRecord[] {
  const terms = termsOf(agreement, sharing)
  return changes.flatMap((change) => {
    const place = placeOf(change, terms)
    return place === 'never' ? [] : [shareOne(change, place, terms)]
  })
}

let lastWritten = { time: new Date(Number.NaN), text: '' }

/** RFC 3339. Changes that were saved together have one time. */
function writeTime(time: Date): string {
  if (time !== lastWritten.time) lastWritten = { time, text: time.toISOString() }
  return lastWritten.text
}

/** The JSON of a living record whose fields leave as they rest: the database's own text, which need not be made again. */
const livingJson = ({ feed, recordId, version, changedAt }: Change, fields: string): readonly string[] => [
  `{"operation":"upsert","id":${JSON.stringify(`${feed}/${recordId}`)},"version":${version},"changedAt":"${writeTime(changedAt)}","record":`,
  fields,
  '}',
]

/**
 * The same as `share`, as the JSON that is sent. Where the agreement grants nothing but masks and the masked view holds nothing beside
 * what it grants, that view leaves as it is; everything else goes through `share`'s own steps.
 */
export function shareJson(changes: readonly Change[], agreement: Agreement, sharing: Sharing): readonly SharedJson[] {
  const terms = termsOf(agreement, sharing)
  const shared: SharedJson[] = []
  for (const change of changes) {
    const place = placeOf(change, terms)
    if (place === 'never') continue
    const masked = maskedAt(place, change)
    const isAsItIs = masked !== null && change.withdrawn === null && terms.grantedView?.test(masked) === true
    const json = isAsItIs ? livingJson(change, masked) : [JSON.stringify(shareOne(change, place, terms))]
    shared.push({ operation: masked === null ? 'delete' : 'upsert', json } as unknown as SharedJson)
  }
  return shared
}

/** Those of shared records that are there: what left the area is told by the feed alone. */
export const livingOf = (shared: readonly SharedJson[]): readonly SharedJson[] =>
  shared.filter(({ operation }) => operation === 'upsert')
