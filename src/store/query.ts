import { hash } from 'node:crypto'

/** Runs one statement and returns its rows. `$1` … in order of `values`. */
export type Query = <Row = Record<string, unknown>>(
  text: string,
  values?: readonly unknown[],
) => Promise<readonly Row[]>

const preparedNames = new Map<string, string>()

/**
 * Makes a statement one that each connection parses once and plans a few times: for those that every answer asks, where that is half of
 * their cost. The name follows from the text, so that no two share one. Returns the text.
 */
export function prepared(text: string): string {
  if (!preparedNames.has(text)) preparedNames.set(text, hash('sha256', text).slice(0, 32))
  return text
}

/** The name of a prepared statement; undefined for another one. */
export const preparedName = (text: string): string | undefined => preparedNames.get(text)
