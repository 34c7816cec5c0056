import { settle, subjectName } from '../feeds/certificate.ts'
import type { Dataset } from '../feeds/datasets.ts'
import { fieldsJson, joinValues } from '../feeds/flat-json.ts'
import { isMinorRecord, maskText } from '../feeds/masks.ts'
import type { Fields, ProtectedRecord, ProtectedRejection, Rejection, ValidRecord } from '../record.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { open, seal, sealAll } from '../security/seal.ts'
import type { Cursor } from './sources/source.ts'

/** What protecting needs besides the records: the dataset's rules, the feed the rows belong to, the keys, and the day. */
export interface Protection {
  readonly dataset: Dataset
  readonly feed: string
  readonly keys: KeyRing
  /** Decides who is under 14. */
  readonly today: Date
}

type FeedProtection = Pick<Protection, 'feed' | 'keys'>

/** A valid record and the keyed digest of its clear fields. */
export interface DigestedRecord {
  readonly record: ValidRecord
  readonly digest: string
  /** The strictest profile holds, though the record's own fields do not say that the person is a child. */
  readonly isMinor?: true
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** The digest also covers the schema version, so that a new mask or classification protects every row anew. */
export function digestRecord(record: ValidRecord, protection: Protection): DigestedRecord {
  const { name, version, names } = protection.dataset
  const content = `${name}@${version}|${record.recordId}|${joinValues(record.fields, names)}`
  return { record, digest: protection.keys.token('digest', content) }
}

/** The keyed token that links one person across departments; null where the record names nobody. */
function subjectToken(fields: Fields, { dataset, keys }: Protection): string | null {
  if (dataset.subject === null) return null
  const number = text(fields[dataset.subject.number])
  return number === '' ? null : keys.token('subject', subjectName({ type: fields[dataset.subject.type], number }))
}

/** The token that a row would have as a record, also where it is refused. */
export function unsettledSubject(
  fields: Fields,
  { dataset, keys }: Pick<Protection, 'dataset' | 'keys'>,
): string | null {
  if (dataset.subject === null) return null
  const number = text(fields[dataset.subject.number])
  return number === ''
    ? null
    : keys.token('subject', subjectName(settle({ type: fields[dataset.subject.type], number })))
}

/** Members of a household name the same house, so a page asks for the same display token again and again. */
function tokenOnce(keys: KeyRing): (value: string) => string {
  const known = new Map<string, string>()
  return (value) => {
    const token = known.get(value) ?? keys.token('display', value)
    known.set(value, token)
    return token
  }
}

/** From the most precise to the widest. */
const AREA_FIELDS = ['gridCode', 'communityCode', 'townCode', 'divisionCode'] as const

function areaOf(fields: Fields): string | null {
  for (const name of AREA_FIELDS) {
    const code = text(fields[name])
    if (code !== '') return code
  }
  return null
}

function tombstone({ record, digest }: DigestedRecord): ProtectedRecord {
  const empty = { masked: null, sealed: null, subject: null, areaCode: null, isMinor: true, updatedAt: null }
  return { recordId: record.recordId, operation: 'delete', digest, ...empty } as unknown as ProtectedRecord
}

/**
 * Valid records as they may rest: masked view, sealed identifying fields, tokens, digest. The whole page goes through one
 * cipher stream. The only function that makes a ProtectedRecord.
 */
export function protect(records: readonly DigestedRecord[], protection: Protection): readonly ProtectedRecord[] {
  const { dataset, feed, keys, today } = protection
  const displayToken = tokenOnce(keys)
  const upserts = records.filter(({ record }) => record.operation === 'upsert')
  const sealed = sealAll(
    keys.sealing,
    upserts.map(({ record }) => ({
      bound: `record|${dataset.name}|${feed}|${record.recordId}`,
      // Only what the masked view hides, to keep rows narrow.
      clear: fieldsJson(record.fields, dataset.sealed),
    })),
  )
  const kept = upserts.map(({ record, digest, isMinor: isKnownMinor = false }, index) => {
    const isMinor = isKnownMinor || isMinorRecord(dataset, record.fields, today)
    return {
      recordId: record.recordId,
      operation: 'upsert',
      masked: maskText(dataset, record.fields, displayToken, isMinor),
      sealed: sealed[index],
      subject: subjectToken(record.fields, protection),
      digest,
      areaCode: areaOf(record.fields),
      isMinor,
      updatedAt: record.updatedAt,
    }
  })
  const gone = records.filter(({ record }) => record.operation === 'delete').map(tombstone)
  return [...(kept as unknown as readonly ProtectedRecord[]), ...gone]
}

/** JSON of any source row. What JSON cannot say (a cycle cannot come out of a reader) becomes null. */
const rowText = (value: unknown): string => JSON.stringify(value) ?? 'null'

/** The keyed token that a rejected row is found by when its record comes again, and an erased record is kept out by. */
export function rowToken(recordId: string, { feed, keys }: FeedProtection): string {
  return keys.token('digest', `rejected-record|${feed}|${recordId}`)
}

/** Those from before they were sealed to their record are sealed to their feed alone. */
const boundOfRejection = (feed: string, token: string | null): string =>
  token === null ? `rejection|${feed}` : `rejection|${feed}|${token}`

/** Rejections as they may rest: the whole source row sealed, because nobody knows which part of a broken row is personal. */
export function protectRejections(
  rejections: readonly Rejection[],
  protection: Protection,
): readonly ProtectedRejection[] {
  const { feed, keys } = protection
  const rows = rejections.map(({ source, recordId }) => {
    const clear = rowText(source.value)
    const token =
      recordId === null ? keys.token('digest', `rejected-row|${feed}|${clear}`) : rowToken(recordId, protection)
    return { clear, token, bound: boundOfRejection(feed, token) }
  })
  const sealed = sealAll(keys.sealing, rows)
  return rejections.map(
    ({ source, reasons }, index) =>
      ({
        row: source.row,
        reasons,
        sealed: sealed[index],
        token: rows[index]?.token,
      }) as unknown as ProtectedRejection,
  )
}

/** A refused row as it rests, and the token of the record that it is sealed to. */
type SealedRejection = Pick<ProtectedRejection, 'sealed'> & { readonly boundTo: string | null }

/** The source row of a rejection. Throws SEAL_BROKEN, KEY_UNAVAILABLE. */
export function openRejection({ sealed, boundTo }: SealedRejection, { feed, keys }: FeedProtection): unknown {
  return JSON.parse(open(keys.sealKey, boundOfRejection(feed, boundTo), sealed))
}

/**
 * Where reading goes on, as it may rest: page tokens, file names and record ids are the source's own words, and keyset tokens
 * are often the number of the last person on the page.
 */
export function protectCursor(cursor: Cursor, { feed, keys }: FeedProtection): Fields {
  return { sealed: seal(keys.sealing, `cursor|${feed}`, JSON.stringify(cursor)).toString('base64') }
}

/** The cursor that was protected; null where a feed has none yet. Throws SEAL_BROKEN, KEY_UNAVAILABLE. */
export function openCursor(resting: Fields | null, { feed, keys }: FeedProtection): Cursor | null {
  if (resting === null) return null
  return JSON.parse(open(keys.sealKey, `cursor|${feed}`, Buffer.from(text(resting['sealed']), 'base64'))) as Cursor
}
