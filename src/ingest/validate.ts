import type { Dataset } from '../feeds/datasets.ts'
import { dayOf } from '../feeds/formats.ts'
import { RECORD_ID } from '../feeds/manifest-rules.ts'
import { actionOf } from '../feeds/rules.ts'
import type { Fields, RawRecord, Reason, Rejection, ValidRecord } from '../record.ts'
import { findBreaches } from './quality-checks.ts'

/** One page, judged. */
export interface Validated {
  readonly valid: readonly ValidRecord[]
  /** In the order of the rows. */
  readonly rejected: readonly Rejection[]
  /** How many records of the page, valid or rejected, each rule warned about. */
  readonly warnings: Readonly<Record<string, number>>
}

/** What the breaches of one record come to. */
interface Judgement {
  readonly fields: Fields
  readonly reasons: readonly Reason[]
  readonly warnings: readonly string[]
}

function toValid({ operation, updatedAt }: RawRecord, { fields, warnings }: Judgement): ValidRecord {
  const recordId = String(fields[RECORD_ID])
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the one place where a ValidRecord comes into being
  return { recordId, operation, fields, updatedAt, warnings } as ValidRecord
}

/**
 * A record of a person joined from the fields of valid records. The schemas agree in their kinds (feeds/merge-schema), so it is
 * valid without another look.
 */
export function joinRecord(recordId: string, fields: Fields): ValidRecord {
  const joined = { recordId, operation: 'upsert', fields: { [RECORD_ID]: recordId, ...fields }, updatedAt: null }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made of the values of valid records
  return { ...joined, warnings: [] } as unknown as ValidRecord
}

function toRejection({ source, fields }: RawRecord, reasons: readonly Reason[]): Rejection {
  const id = fields[RECORD_ID]
  const recordId = typeof id === 'string' && id !== '' ? id : null
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the one place where a Rejection comes into being
  return { source, recordId, reasons } as Rejection
}

/** A rule that drops the field rejects the row where the field is required, or where no one field is to blame. */
function isRejecting({ rule, field }: Reason, required: ReadonlySet<string>): boolean {
  const action = actionOf(rule)
  return action === 'reject' || (action === 'drop' && (field === null || required.has(field)))
}

function without(fields: Fields, dropped: ReadonlySet<string | null>): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !dropped.has(name)))
}

function judgeBreaches(record: RawRecord, breaches: readonly Reason[], required: ReadonlySet<string>): Judgement {
  const rejecting = breaches.filter((breach) => isRejecting(breach, required))
  const others = breaches.filter((breach) => !rejecting.includes(breach))
  const dropped = new Set(others.filter(({ rule }) => actionOf(rule) === 'drop').map(({ field }) => field))
  return {
    fields: dropped.size === 0 ? record.fields : without(record.fields, dropped),
    reasons: rejecting,
    warnings: [...new Set([...record.warnings, ...others.map(({ rule }) => rule)])],
  }
}

/** A tombstone carries its id and nothing else, so only the id is judged. */
function concernsId({ field }: Reason): boolean {
  return field === RECORD_ID
}

function judge(record: RawRecord, dataset: Dataset, required: ReadonlySet<string>, today: string): Judgement {
  const { fields, warnings, faults, operation } = record
  if (faults.length > 0) return { fields, reasons: faults, warnings }
  const found = findBreaches(fields, dataset, today)
  const breaches = operation === 'delete' ? found.filter(concernsId) : found
  return breaches.length === 0 ? { fields, reasons: breaches, warnings } : judgeBreaches(record, breaches, required)
}

const DUPLICATE: readonly Reason[] = [{ rule: 'DQ-070', field: RECORD_ID }]

function countWarnings(judgements: readonly Judgement[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { warnings } of judgements) {
    for (const rule of warnings) counts[rule] = (counts[rule] ?? 0) + 1
  }
  return counts
}

/**
 * Judges one page of mapped records against the dataset schema and the quality rules. Pure; never throws for what a
 * row holds. Of several good records with one id the last in source order stays, the earlier ones are rejected
 * (DQ-070). `now` decides which dates lie in the future. Reasons hold rule ids and schema fields, never values.
 */
export function validate(records: readonly RawRecord[], dataset: Dataset, now: Date = new Date()): Validated {
  const today = dayOf(now)
  const required = new Set(dataset.properties.filter((property) => property.required).map((property) => property.name))
  const judgements = records.map((record) => judge(record, dataset, required, today))
  const lastPlace = new Map<unknown, number>()
  for (const [place, { fields, reasons }] of judgements.entries()) {
    if (reasons.length === 0) lastPlace.set(fields[RECORD_ID], place)
  }
  const valid: ValidRecord[] = []
  const rejected: Rejection[] = []
  for (const [place, record] of records.entries()) {
    const judgement = judgements[place]
    if (judgement === undefined) continue
    if (judgement.reasons.length > 0) rejected.push(toRejection(record, judgement.reasons))
    else if (lastPlace.get(judgement.fields[RECORD_ID]) !== place) rejected.push(toRejection(record, DUPLICATE))
    else valid.push(toValid(record, judgement))
  }
  return { valid, rejected, warnings: countWarnings(judgements) }
}
