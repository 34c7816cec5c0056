import type { Dataset } from '../feeds/datasets.ts'
import { maskFields } from '../feeds/masks.ts'
import type { Fields, ProtectedRecord, ProtectedRejection, Rejection, ValidRecord } from '../record.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { sealAll } from '../security/seal.ts'

/** What protecting needs besides the records: the dataset's rules, the feed the rows belong to, the keys, and the day. */
export interface Protection {
  readonly dataset: Dataset
  readonly feed: string
  readonly keys: KeyRing
  /** Decides who is under 14. */
  readonly today: Date
}

/** A valid record and the keyed digest of its clear fields. */
export interface DigestedRecord {
  readonly record: ValidRecord
  readonly digest: Buffer
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** The digest also covers the schema version, so that a new mask or classification protects every row anew. */
export function digestRecord(record: ValidRecord, protection: Protection): DigestedRecord {
  const content = `${protection.dataset.version}|${record.recordId}|${JSON.stringify(record.fields)}`
  return { record, digest: protection.keys.token('digest', content) }
}

/** The keyed token that links one person across departments; null where the record names nobody. */
function subjectToken(fields: Fields, { dataset, keys }: Protection): Buffer | null {
  if (dataset.subject === null) return null
  const number = text(fields[dataset.subject.number])
  return number === '' ? null : keys.token('subject', `CN:${text(fields[dataset.subject.type])}:${number}`)
}

/** The clear text that is sealed: the fields that the masked view hides, and nothing else, to keep rows narrow. */
function identifyingFields(fields: Fields, dataset: Dataset): string {
  const clear: Record<string, unknown> = {}
  for (const name of dataset.sealed) if (fields[name] !== undefined) clear[name] = fields[name]
  return JSON.stringify(clear)
}

/** Members of a household name the same house, so a page asks for the same display token again and again. */
function tokenOnce(keys: KeyRing): (value: string) => string {
  const known = new Map<string, string>()
  return (value) => {
    const token = known.get(value) ?? keys.token('display', value).toString('hex')
    known.set(value, token)
    return token
  }
}

function tombstone({ record, digest }: DigestedRecord): ProtectedRecord {
  const empty = { masked: null, sealed: null, subject: null, gridCode: null }
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
      clear: identifyingFields(record.fields, dataset),
    })),
  )
  const kept = upserts.map(({ record, digest }, index) => ({
    recordId: record.recordId,
    operation: 'upsert',
    masked: JSON.stringify(maskFields(dataset, record.fields, displayToken, today)),
    sealed: sealed[index],
    subject: subjectToken(record.fields, protection),
    digest,
    gridCode: text(record.fields['gridCode']) || null,
  }))
  const gone = records.filter(({ record }) => record.operation === 'delete').map(tombstone)
  return [...(kept as unknown as readonly ProtectedRecord[]), ...gone]
}

/** JSON of any source row. What JSON cannot say (a cycle cannot come out of a reader) becomes null. */
const rowText = (value: unknown): string => JSON.stringify(value) ?? 'null'

/** Rejections as they may rest: the whole source row sealed, because nobody knows which part of a broken row is personal. */
export function protectRejections(
  rejections: readonly Rejection[],
  protection: Protection,
): readonly ProtectedRejection[] {
  const sealed = sealAll(
    protection.keys.sealing,
    rejections.map((rejection) => ({ bound: `rejection|${protection.feed}`, clear: rowText(rejection.source.value) })),
  )
  return rejections.map(
    (rejection, index) =>
      ({
        row: rejection.source.row,
        reasons: rejection.reasons,
        sealed: sealed[index],
      }) as unknown as ProtectedRejection,
  )
}
