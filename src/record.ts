/**
 * The stages of one record on its way from a department to a consumer. Each stage is a type of its own and is made by
 * one function, so saving an unprotected record or answering with an unshared one does not compile.
 *
 *   SourceRow → RawRecord (ingest/map) → ValidRecord (ingest/validate) → ProtectedRecord (ingest/protect)
 *             → SharedRecord or SharedJson (sharing/share)
 */
declare const stage: unique symbol

/** Plain values by property name, as the dataset schema names them. */
export type Fields = Readonly<Record<string, unknown>>

/** What happened to the record at its source. */
export type Operation = 'upsert' | 'delete'

/** Why a department took a record back: a recall 召回, or an erasure that also keeps it out. */
export type Withdrawal = 'recall' | 'erasure'

/** One row exactly as the department sent it. It may be anything: a row that is no object is rejected, not thrown. */
export interface SourceRow {
  /** Place of the row within its page, from 0. */
  readonly row: number
  readonly value: unknown
}

/** A row in the dataset's own words, normalised but not yet checked. */
export interface RawRecord {
  readonly [stage]: 'raw'
  readonly source: SourceRow
  readonly operation: Operation
  readonly fields: Fields
  /** Ids of quality rules that were applied or hurt without rejecting, for example DQ-014. No values. */
  readonly warnings: readonly string[]
  /** When the source says that it last changed the row, in milliseconds since the epoch; null where it does not say. */
  readonly updatedAt: number | null
  /** Reasons found while mapping, for example an undecodable row. A record with any is rejected by validate. */
  readonly faults: readonly Reason[]
}

/** A record that meets its dataset schema and every rejecting quality rule. */
export interface ValidRecord {
  readonly [stage]: 'valid'
  readonly recordId: string
  readonly operation: Operation
  readonly fields: Fields
  readonly updatedAt: number | null
  readonly warnings: readonly string[]
}

/** Why a row was refused: a rule id and a schema field. Never a value, never a key the department chose. */
export interface Reason {
  readonly rule: string
  readonly field: string | null
}

/** A row that broke its schema. The source row in it is clear text until protect seals it. */
export interface Rejection {
  readonly [stage]: 'rejection'
  readonly source: SourceRow
  /** The source record id as far as the row could be read; null where it has none. */
  readonly recordId: string | null
  readonly reasons: readonly Reason[]
}

/** A record as it rests: safe to show, with the identifying fields sealed. `masked` and `sealed` are null in a tombstone. */
export interface ProtectedRecord {
  readonly [stage]: 'protected'
  readonly recordId: string
  readonly operation: Operation
  /** JSON text of the masked view. */
  readonly masked: string | null
  readonly sealed: Uint8Array | null
  /** Keyed token of the normalised certificate type and number, 32 hexadecimal digits; null where the record names no person. */
  readonly subject: string | null
  /** Keyed digest of the clear fields for change detection, 32 hexadecimal digits. */
  readonly digest: string
  /** The most precise area code of the record: grid, community, town or division; null where it has none. */
  readonly areaCode: string | null
  /** The strictest profile holds: the record is of a person under 14. */
  readonly isMinor: boolean
  readonly updatedAt: number | null
}

/** A rejection as it rests: the source row sealed, the reasons free of values. */
export interface ProtectedRejection {
  readonly [stage]: 'protected-rejection'
  readonly row: number
  readonly reasons: readonly Reason[]
  readonly sealed: Uint8Array
  /** Keyed token of the source record id, or of the whole row where it has none: 32 hexadecimal digits. */
  readonly token: string
}

/** What one consumer receives of one change under its agreement. */
export interface SharedRecord {
  readonly [stage]: 'shared'
  /** Identity within the dataset: feed code and source record id. */
  readonly id: string
  readonly version: number
  readonly operation: Operation
  /** RFC 3339: when the version came about here. */
  readonly changedAt: string
  readonly record: Fields | null
  /** On a delete that a department asked for; a record that its source no longer has comes without. */
  readonly reason?: Withdrawal
}

/** A shared record as the JSON that is sent, in pieces: put together as a text it would be copied once more before it is bytes. */
export interface SharedJson {
  readonly [stage]: 'shared-json'
  readonly operation: Operation
  readonly json: readonly string[]
}
