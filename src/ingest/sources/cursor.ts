import { AppError } from '../../errors.ts'
import type { Cursor } from './source.ts'

/** One check per property of a cursor of type T. */
export type CursorChecks<T> = { readonly [Name in keyof T]: (value: unknown) => boolean }

/** The cursor as the type its checks describe. Throws AppError CURSOR_INVALID when another kind of source wrote it. */
export function toCursor<T extends Cursor>(cursor: Cursor, checks: CursorChecks<T>): T {
  if (fits(cursor, checks)) return cursor
  throw new AppError(
    'CURSOR_INVALID',
    'the saved cursor is not one this source wrote; start the feed from the beginning',
  )
}

export const isText = (value: unknown): boolean => typeof value === 'string'

export const isFlag = (value: unknown): boolean => typeof value === 'boolean'

export const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0

export const isOneOf =
  (...words: readonly string[]) =>
  (value: unknown): boolean =>
    typeof value === 'string' && words.includes(value)

export const orNull =
  (check: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    value === null || check(value)

export const isListOf =
  (check: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    Array.isArray(value) && value.every((item) => check(item))

export const isShape =
  <T extends object>(checks: CursorChecks<T>) =>
  (value: unknown): boolean =>
    typeof value === 'object' && value !== null && fits(Object.fromEntries(Object.entries(value)), checks)

function fits<T>(cursor: Cursor, checks: CursorChecks<T>): cursor is Cursor & T {
  const named: Readonly<Record<string, (value: unknown) => boolean>> = checks
  return Object.entries(named).every(([name, check]) => check(cursor[name]))
}
