import { AppError } from '../errors.ts'

/** The first and the last byte, both counted from 0 and both inside. */
export interface ByteRange {
  readonly from: number
  readonly to: number
}

const ONE_RANGE = /^bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))$/

/**
 * The part of a file that a request asks for after RFC 9110 §14.2; null: all of it, also where the header cannot be read or asks for
 * several parts, as §14.2 allows. Throws RANGE_UNSATISFIABLE where the file ends before it begins.
 */
export function readByteRange(header: string | undefined, length: number): ByteRange | null {
  const parts = ONE_RANGE.exec(header ?? '')
  if (parts === null) return null
  const [, first, last, suffix] = parts
  const from = first === undefined ? Math.max(0, length - Number(suffix)) : Number(first)
  const to = last === undefined || last === '' ? length - 1 : Math.min(Number(last), length - 1)
  if (last !== undefined && last !== '' && Number(last) < from) return null
  if (from >= length) throw new AppError('RANGE_UNSATISFIABLE', `it has ${length} bytes`)
  return { from, to }
}
