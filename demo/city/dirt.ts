import type { Dirt, SourceFields } from './layout.ts'
import type { Person } from './people.ts'
import {
  PLACEHOLDERS,
  breakOrganisationCheck,
  breakUsccCheck,
  certificateDirt,
  jsonDirt,
  moveToUnknownTown,
  permitNumber,
  refuse,
  take,
  warn,
} from './spoil.ts'

function citizen(number: string, person: Person): SourceFields {
  return { zjlx: '01', rklb: '1', mz: '01', gmsfhm: number, xb: person.sex, csrq: person.birthDigits }
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
