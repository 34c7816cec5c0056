import { AppError } from '../errors.ts'
import { FIRST_PLACE, type ChangePlace } from '../store/changes.ts'

/** Where a snapshot stands: what lies behind `after` and before `end` is still to come; from `end` on the feed tells. */
export interface SnapshotPlace {
  readonly after: ChangePlace
  /** null before the first page, which takes the horizon of its moment. */
  readonly end: ChangePlace | null
}

const encode = (text: string): string => Buffer.from(text).toString('base64url')

/** The parts of a cursor of this kind. Throws CURSOR_INVALID. */
function partsOf(kind: RegExp, cursor: string): readonly string[] {
  const parts = kind.exec(Buffer.from(cursor, 'base64url').toString('utf8'))
  if (parts === null) throw new AppError('CURSOR_INVALID', 'give back a cursor from an earlier answer, or none')
  return parts.slice(1)
}

function assertVersion(version: number, given: string | undefined): void {
  if (Number(given) !== version) throw new AppError('CURSOR_EXPIRED', 'the agreement changed since')
}

const FEED = /^2\.(\d{1,9})\.(\d{1,19})\.(\d{1,9})$/
const SNAPSHOT = /^s1\.(\d{1,9})\.(\d{1,19})\.(\d{1,19})\.(\d{1,9})$/

/**
 * A cursor says where in commit order, and under which version of the agreement: what was pulled under another one has other fields or
 * another area, and only a snapshot makes it whole.
 */
export function encodeCursor(version: number, place: ChangePlace): string {
  return encode(`2.${version}.${place.tx}.${place.seq}`)
}

/** Throws CURSOR_INVALID, CURSOR_EXPIRED. No cursor means: from the beginning. */
export function decodeCursor(version: number, cursor: string | undefined): ChangePlace {
  if (cursor === undefined || cursor === '') return FIRST_PLACE
  const [under, tx = '0', seq] = partsOf(FEED, cursor)
  assertVersion(version, under)
  return { tx, seq: Number(seq) }
}

/** The cursor of a snapshot carries its end, so that all of its pages tell of one set of records. */
export function encodeSnapshotCursor(version: number, after: ChangePlace, end: ChangePlace): string {
  return encode(`s1.${version}.${end.tx}.${after.tx}.${after.seq}`)
}

/** Throws CURSOR_INVALID, CURSOR_EXPIRED. No cursor means: a new snapshot. */
export function decodeSnapshotCursor(version: number, cursor: string | undefined): SnapshotPlace {
  if (cursor === undefined || cursor === '') return { after: FIRST_PLACE, end: null }
  const [under, end = '0', tx = '0', seq] = partsOf(SNAPSHOT, cursor)
  assertVersion(version, under)
  return { after: { tx, seq: Number(seq) }, end: { tx: end, seq: 0 } }
}
