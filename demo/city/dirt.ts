import { withCitizenCheck, withUsccCheck } from './certificates.ts'
import type { Dirt, SourceFields, Spoiling } from './layout.ts'
import type { Person } from './people.ts'
import { takeAt } from './random.ts'

type Change = (row: SourceFields, spoiling: Spoiling) => Readonly<Record<string, unknown>>

/** A kind whose row is the good row with some columns changed; two in a city of 20,000. */
function kind(rule: string, refused: boolean, change: Change, share = 2): Dirt {
  return { rule, refused, share, spoil: (row, spoiling) => ({ ...row, ...change(row, spoiling) }) }
}

const refuse = (rule: string, change: Change, share?: number): Dirt => kind(rule, true, change, share)
const warn = (rule: string, change: Change, share?: number): Dirt => kind(rule, false, change, share)

/** One of the values, in turn. */
function take(turn: number, values: readonly string[]): string {
  return takeAt(values, turn % values.length)
}

const PLACEHOLDERS = ['无', '不详', '-', 'NULL'] as const
// A town number that Luzhou has never had, in every county.
const UNKNOWN_TOWN = '599'

function moveToUnknownTown(code: unknown): string {
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
function permitNumber(turn: number): string {
  return withCitizenCheck(`81000019030405${String(turn % 1000).padStart(3, '0')}`)
}

/** Columns of a source that names a certificate; `columns` says what they are called there. */
function certificateDirt(
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

function citizen(number: string, person: Person): SourceFields {
  return { zjlx: '01', rklb: '1', mz: '01', gmsfhm: number, xb: person.sex, csrq: person.birthDigits }
}

/** Dirt of a JSON source that no file and no table can hold. */
function jsonDirt(nameColumn: string): readonly Dirt[] {
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

export const residentDirt: readonly Dirt[] = [
  refuse('DQ-001', (_row, { turn }) => ({ xm: take(turn, PLACEHOLDERS) }), 4),
  refuse('DQ-003', (_row, { stranger: { certNumber } }) => ({ rkbm: certNumber })),
  ...jsonDirt('xm'),
  ...certificateDirt(citizen),
  refuse('DQ-030', ({ wgbm }) => ({ wgbm: moveToUnknownTown(wgbm) })),
  refuse('DQ-032', () => ({ wgbm: null }), 4),
  refuse('DQ-040', (_row, { turn }) => ({ xb: take(turn, ['7', '男女']) })),
  warn('DQ-015', (_row, { stranger: person }) => ({ ...citizen(person.certNumber, person), csrq: '19350607' }), 4),
  warn('DQ-016', (_row, { stranger: person, turn }) => ({
    ...citizen(permitNumber(turn), person),
    xb: turn % 2 === 1 ? '1' : '2',
    csrq: '19030405',
  })),
  warn('DQ-050', () => ({ lxdh: '1990000' }), 4),
  warn('DQ-060', () => ({ rzrq: '20991231' })),
  warn('DQ-091', () => ({ zjxy: '10' })),
]

function ownedBy(number: string, person: Person): SourceFields {
  return {
    cqrlx: '1',
    cqrzjlx: '身份证',
    cqrzjhm: number,
    cqrmc: person.name,
    cqrdh: person.phone,
    cqrxydm: null,
  }
}

export const housingDirt: readonly Dirt[] = [
  refuse('DQ-001', (_row, { turn }) => ({ fwdz: take(turn, PLACEHOLDERS) })),
  refuse('DQ-003', (_row, { stranger: { certNumber } }) => ({ fwbsm: certNumber })),
  refuse('DQ-005', () => ({ mj: '八十九平' })),
  ...certificateDirt(ownedBy),
  refuse('DQ-020', () => ({ cqrlx: '2', cqrxydm: '91510599MA9000000Q' })),
  refuse('DQ-030', ({ wgbm }) => ({ wgbm: moveToUnknownTown(wgbm) })),
  refuse('DQ-032', () => ({ wgbm: null })),
  warn('DQ-016', (_row, { stranger: person, turn }) => ownedBy(permitNumber(turn + 500), person)),
  warn('DQ-033', () => ({ jd: '116.39000', wd: '39.91000' })),
  warn('DQ-040', () => ({ yhlx: '77' })),
  warn('DQ-050', (_row, { stranger: person }) => ({ ...ownedBy(person.certNumber, person), cqrdh: '1990000' })),
  warn('DQ-090', (_row, { stranger: person }) => ({
    bz: `租户${person.name}，身份证${person.certNumber}，电话${person.phone}，已登记`,
  })),
]

/** The body does not carry the check digit of GB 11714, as some early codes do not; the code's own check is right. */
function breakOrganisationCheck(code: string): string {
  const check = code.charAt(16) === '5' ? '6' : '5'
  return withUsccCheck(code.slice(0, 16) + check)
}

function breakUsccCheck(code: string): string {
  return code.slice(0, 17) + (code.endsWith('8') ? '9' : '8')
}

export const entityDirt: readonly Dirt[] = [
  refuse('DQ-001', (_row, { turn }) => ({ mc: take(turn, PLACEHOLDERS) })),
  refuse('DQ-003', (_row, { stranger: { certNumber } }) => ({ ztbh: certNumber })),
  refuse('DQ-005', () => ({ cyrs: '很多' })),
  // What a spreadsheet shows when the column is too narrow; the register states no certificate type to check more by.
  refuse('DQ-010', () => ({ fddbrzjhm: '##########' })),
  refuse('DQ-020', ({ tyshxydm }) => ({ tyshxydm: breakUsccCheck(String(tyshxydm)) })),
  refuse('DQ-030', ({ wgbm }) => ({ wgbm: moveToUnknownTown(wgbm) })),
  refuse('DQ-032', () => ({ wgbm: null })),
  refuse('DQ-040', () => ({ lx: '外星企业' })),
  { rule: 'DQ-070', refused: true, share: 2, repeats: true, spoil: (row) => row },
  warn('DQ-021', ({ tyshxydm }) => ({ tyshxydm: breakOrganisationCheck(String(tyshxydm)) })),
  warn('DQ-050', () => ({ lxdh: '1990000' })),
  warn('DQ-060', () => ({ clrq: '2099/12/31' })),
]

export const addressDirt: readonly Dirt[] = [
  refuse('DQ-001', (_row, { turn }) => ({ xz: take(turn, PLACEHOLDERS) })),
  refuse('DQ-003', (_row, { stranger: { certNumber } }) => ({ dzid: certNumber })),
  ...jsonDirt('xz'),
  refuse('DQ-030', ({ xzdm, sqdm, wgbm }) => ({
    xzdm: moveToUnknownTown(xzdm),
    sqdm: moveToUnknownTown(sqdm),
    wgbm: moveToUnknownTown(wgbm),
  })),
  refuse('DQ-031', ({ sqdm }) => ({ sqdm: `${String(sqdm).slice(0, 9)}198` })),
  refuse('DQ-032', () => ({ wgbm: null })),
  refuse('DQ-040', () => ({ zt: '待定' })),
  warn('DQ-033', (_row, { turn }) => (turn % 2 === 0 ? { jd: 0, wd: 0 } : { jd: 116.39, wd: 39.91 })),
]

export const gridDirt: readonly Dirt[] = [
  refuse('DQ-001', (_row, { turn }) => ({ wgmc: take(turn, PLACEHOLDERS) })),
  refuse('DQ-003', (_row, { stranger: { phone } }) => ({ wgid: phone })),
  ...jsonDirt('wgmc'),
  refuse('DQ-030', ({ sqdm, wgbm }) => ({ sqdm: moveToUnknownTown(sqdm), wgbm: moveToUnknownTown(wgbm) })),
  refuse('DQ-031', ({ sqdm }) => ({ wglb: '综合', sqdm: `${String(sqdm).slice(0, 9)}198` })),
  refuse('DQ-032', () => ({ wgbm: null })),
  refuse('DQ-040', () => ({ wglb: '临时' })),
  warn('DQ-050', () => ({ wgydh: '1990000' })),
  warn('DQ-060', () => ({ sxrq: '2020-01-01' })),
]
