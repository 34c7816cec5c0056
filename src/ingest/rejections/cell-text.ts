/** The two kinds of file in which a department takes its refused rows home. */
export type FileKind = 'csv' | 'xlsx'

/** A spreadsheet takes what begins so for a formula; full-width forms are folded to the same by some of them. */
const FORMULA = '=+\\-@\\t\\r\\n\\0＝＋－＠'

/**
 * What is written with an apostrophe before it. In a CSV file also whatever begins like a number or a date, which a spreadsheet
 * would change when it opens the file; in a workbook the cell says itself that it is text.
 */
const guarded: Readonly<Record<FileKind, RegExp>> = {
  csv: new RegExp(`^'*[${FORMULA}\\d.]`, 'u'),
  xlsx: new RegExp(`^'*[${FORMULA}]`, 'u'),
}

/** The text as it may stand in a cell of the file. `unguardText` gives it back. */
export function guardText(kind: FileKind, text: string): string {
  return guarded[kind].test(text) ? `'${text}` : text
}

/** The text of a cell that came back. */
export function unguardText(kind: FileKind, text: string): string {
  return text.startsWith("'") && guarded[kind].test(text) ? text.slice(1) : text
}

/** Excel holds 32,767 characters in a cell. */
const MOST_CHARACTERS = 32_000
// oxlint-disable-next-line no-control-regex -- XML 1.0 has no way to write these
const UNWRITABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g

function plainText(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'string') return value
  return JSON.stringify(value) ?? ''
}

/** Any value of a source row as the text of a cell. What a cell cannot hold is replaced or cut off. */
export function cellText(value: unknown): string {
  const text = plainText(value).slice(0, MOST_CHARACTERS)
  return text.toWellFormed().replaceAll(/\r\n?/g, '\n').replaceAll(UNWRITABLE, '\ufffd')
}
