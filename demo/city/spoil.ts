import { withCitizenCheck, withUsccCheck } from './certificates.ts'
import type { Dirt, SourceFields, Spoiling } from './layout.ts'
import type { Person } from './people.ts'
import { takeAt } from './random.ts'

type Change = (row: SourceFields, spoiling: Spoiling) => Readonly<Record<string, unknown>>

/** A kind whose row is the good row with some columns changed; two in a city of 20,000. */
function kind(rule: string, refused: boolean, change: Change, share = 2): Dirt {
  return { rule, refused, share, spoil: (row, spoiling) => ({ ...row, ...change(row, spoiling) }) }
}

/** A kind of row that is refused. */
export const refuse = (rule: string, change: Change, share?: number): Dirt => kind(rule, true, change, share)
/** A kind of row that is accepted with a warning. */
export const warn = (rule: string, change: Change, share?: number): Dirt => kind(rule, false, change, share)

/** One of the values, in turn. */
export function take(turn: number, values: readonly string[]): string {
  return takeAt(values, turn % values.length)
}

export const PLACEHOLDERS = ['无', '不详', '-', 'NULL'] as const
// A town number that Luzhou has never had, in every county.
const UNKNOWN_TOWN = '599'

/** The code with its town replaced by one that is not in the table of divisions. */
export function moveToUnknownTown(code: unknown): string {
  const text = String(code)
  return text.slice(0, 6) + UNKNOWN_TOWN + text.slice(9)
}

function breakCheckDigit(number: string): string {
  return number.slice(0, 17) + (number.endsWith('1') ? '2' : '1')
}

/** 15 digits and three zeros, as a spreadsheet leaves a number of 18; its check digit is wrong. */
function roundBySpreadsheet(number: string): string {
  const rounded = `${number.slice(0, 15)}000`
  return withCitizenCheck(rounded.slice(0, 17)) === rounded
    ? `${number.slice(0, 14)}${(Number(number[14]) + 1) % 10}000`
    : rounded
}

function withImpossibleBirth(number: string): string {
  return withCitizenCheck(`${number.slice(0, 6)}19900231123`)
}

/** The first-generation form: without the century and without the check digit. */
function toFifteen(number: string): string {
  return number.slice(0, 6) + number.slice(8, 17)
}

/** A permit of a Hong Kong resident born in 1903, given as if it were a citizen number. */
export function permitNumber(turn: number): string {
  return withCitizenCheck(`81000019030405${String(turn % 1000).padStart(3, '0')}`)
}

/** Columns of a source that names a certificate; `columns` says what they are called there. */
export function certificateDirt(
  columns: (number: string, person: Person) => Readonly<Record<string, unknown>>,
): readonly Dirt[] {
  const spoilt =
    (spoil: (number: string, turn: number) => string): Change =>
    (_row, { stranger, turn }) =>
      columns(spoil(stranger.certNumber, turn), stranger)
  return [
    refuse(
      'DQ-010',
      spoilt((number) => number.slice(0, 17)),
    ),
    refuse(
      'DQ-011',
      spoilt((number, turn) => (turn % 2 === 0 ? '5.10599E+17' : roundBySpreadsheet(number))),
    ),
    refuse('DQ-012', spoilt(withImpossibleBirth)),
    refuse('DQ-013', spoilt(breakCheckDigit)),
    warn('DQ-014', spoilt(toFifteen)),
  ]
}

/** Dirt of a JSON source that no file and no table can hold. */
export function jsonDirt(nameColumn: string): readonly Dirt[] {
  return [
    refuse('DQ-004', (_row, { turn }) => ({ [nameColumn]: turn % 2 === 0 ? '样\u0000例' : '样例\ud842' })),
    {
      rule: 'DQ-005',
      refused: true,
      share: 2,
      spoil: (row, { turn }) => (turn % 2 === 0 ? { ...row, [nameColumn]: ['样例'] } : '服务繁忙'),
    },
    warn('DQ-002', () => ({ cjr: '系统管理员' })),
  ]
}

/** The body does not carry the check digit of GB 11714, as some early codes do not; the code's own check is right. */
export function breakOrganisationCheck(code: string): string {
  const check = code.charAt(16) === '5' ? '6' : '5'
  return withUsccCheck(code.slice(0, 16) + check)
}

/** The credit code with another check character. */
export function breakUsccCheck(code: string): string {
  return code.slice(0, 17) + (code.endsWith('8') ? '9' : '8')
}
