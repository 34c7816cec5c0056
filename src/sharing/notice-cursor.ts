import { AppError } from '../errors.ts'
import { FIRST_PLACE, type ChangePlace } from '../store/changes.ts'

/** A cursor over what a consumer or a department is told. It says only where in commit order, and never runs out. */
export const encodePlace = ({ tx, seq }: ChangePlace): string => Buffer.from(`n.${tx}.${seq}`).toString('base64url')

/** Throws CURSOR_INVALID. No cursor means: from the beginning. */
export function decodePlace(cursor: string | undefined): ChangePlace {
  if (cursor === undefined || cursor === '') return FIRST_PLACE
  const parts = /^n\.(\d{1,19})\.(\d{1,9})$/.exec(Buffer.from(cursor, 'base64url').toString('utf8'))
  if (parts === null) throw new AppError('CURSOR_INVALID', 'give back a cursor from an earlier answer, or none')
  return { tx: parts[1] ?? FIRST_PLACE.tx, seq: Number(parts[2]) }
}
