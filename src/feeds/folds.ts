import { isMobile, type Format } from './formats.ts'

/** How values of a format are made one way of writing. */
export type Fold = Format['normalise']

const INVISIBLE = /[\s\u00ad\u200b-\u200f\u2060\ufeff]/g
const COUNTRY_MOBILE = /^(?:\+?86|0086)?(1[3-9]\d{9})$/

const dropQuote = (value: string): string => (value.startsWith("'") ? value.slice(1) : value)

function foldPhone(value: string): string {
  return isMobile(value) ? value : (COUNTRY_MOBILE.exec(value.replaceAll('-', ''))?.[1] ?? dropQuote(value))
}

/** What is done to every value of a format. Names and other plain text are left alone. */
export const folds: Readonly<Record<Fold, (value: string) => string>> = {
  none: (value) => value,
  exact: dropQuote,
  upper: (value) => dropQuote(value).toUpperCase(),
  phone: foldPhone,
}

/** NFKC only for numbers and codes: in a name it would change rare characters and the middle dot. */
export function unify(raw: string, fold: Fold): string {
  return fold === 'none' ? raw.trim() : raw.normalize('NFKC').replace(INVISIBLE, '')
}
