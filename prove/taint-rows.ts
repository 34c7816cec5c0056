import { usccOf, withCitizenCheck } from '../demo/city/certificates.ts'
import { isCreditCode } from '../src/feeds/formats.ts'
import type { CanaryBook, CanaryPerson } from './taint-canaries.ts'

type Fields = Readonly<Record<string, unknown>>

/** A row that a rule must refuse or warn about; every other field of it holds canaries. */
interface BadRow {
  readonly rule: string
  readonly spoil: (row: Fields, person: CanaryPerson, other: CanaryPerson) => unknown
}

const GRID = '510502001001001'
const UNKNOWN_GRID = '510502599001001'

/** A good row of the population system, as connectors/public-security reads it. */
export function residentRow(person: CanaryPerson): Fields {
  return {
    rkbm: `RK${String(person.number).padStart(8, '0')}`,
    zjlx: '01',
    gmsfhm: person.certNumber,
    xm: person.name,
    xb: person.sex,
    csrq: person.birth,
    mz: '01',
    rklb: '2',
    rhyz: '02',
    hh: person.householdNo,
    hjqh: '510502',
    hjdz: person.registeredAddress,
    dzbm: person.addressCode,
    xzz: person.residenceAddress,
    wgbm: GRID,
    fwbh: person.houseId,
    rzrq: '20180602',
    jzzlx: '01',
    jzzh: person.permitNo,
    jzzdqr: '20360630',
    lxdh: person.phone,
    fwcs: person.workplace,
    zt: '正常',
    czbz: 'U',
  }
}

/** A good row of the house register, as connectors/natural-resources reads it. The remark tells of somebody else. */
export function housingRow(person: CanaryPerson, other: CanaryPerson): Fields {
  return {
    fwbsm: `FW${String(person.number).padStart(8, '0')}`,
    fwbh: person.houseId,
    bdcdyh: person.realEstateUnitNo,
    dzbm: person.addressCode,
    fwdz: person.residenceAddress,
    wgbm: GRID,
    lzmc: person.buildingName,
    lc: '9',
    fh: '901',
    yt: '10',
    jg: '其他',
    mj: '41.18',
    sfcz: '否',
    fwzt: '自住',
    yhlx: '00',
    cqrlx: '1',
    cqrzjlx: '身份证',
    cqrzjhm: person.certNumber,
    cqrmc: person.name,
    cqrdh: person.phone,
    bz: `${person.mark}：租户${other.name}，身份证${other.certNumber}，电话 ${other.phone}`,
    scbz: 'U',
  }
}

/** A good row of the business register. Its free text holds what does not belong there. */
export function entityRow(person: CanaryPerson): Fields {
  return {
    ztbh: `SC${String(person.number).padStart(8, '0')}`,
    tyshxydm: usccOf('92', person.number),
    mc: `泸州${person.name}便利店`,
    lx: '个体工商户',
    jglx: '17',
    hydm: '5211',
    djzt: '存续',
    clrq: '2008/01/10',
    zs: person.registeredAddress,
    jydzbm: person.addressCode,
    wgbm: GRID,
    fddbr: person.name,
    fddbrzjhm: person.certNumber,
    lxr: person.name,
    lxdh: person.phone,
    cyrs: '27',
    jyfw: '日用百货零售',
    sfjx: '0',
    djjg: '江阳区市场监督管理局',
  }
}

const bad = (rule: string, change: (row: Fields, person: CanaryPerson, other: CanaryPerson) => Fields): BadRow => ({
  rule,
  spoil: (row, person, other) => ({ ...row, ...change(row, person, other) }),
})
const wrongCheck = (number: string): string => number.slice(0, 17) + (number.endsWith('1') ? '2' : '1')
const wrongBirth = (number: string): string => withCitizenCheck(`${number.slice(0, 6)}19900231${number.slice(14, 17)}`)
const NESTING = 400

function nest(value: unknown): unknown {
  let nested = value
  for (let level = 0; level < NESTING; level++) nested = { inner: nested }
  return nested
}

/** What each rule refuses in a resident. */
export const refusedResidents: readonly BadRow[] = [
  bad('DQ-001', () => ({ xm: '不详' })),
  bad('DQ-003', (_row, person) => ({ rkbm: person.certNumber })),
  bad('DQ-003', (_row, person) => ({ rkbm: `RK:${person.phone}` })),
  bad('DQ-003', (_row, person) => ({ rkbm: person.permitNo, czbz: 'D' })),
  bad('DQ-004', (_row, person) => ({ xm: `${person.name}\u0000` })),
  bad('DQ-004', (_row, person) => ({ hjdz: `${person.registeredAddress}\ud842` })),
  bad('DQ-005', (_row, person) => ({ xm: [person.name] })),
  bad('DQ-005', (_row, person) => ({ xm: person.name.repeat(20) })),
  bad('DQ-005', (_row, person) => ({ rkbm: person.name })),
  bad('DQ-005', (_row, person) => ({ fwbh: person.name })),
  bad('DQ-005', (_row, person) => ({ rzrq: person.phone })),
  { rule: 'DQ-005', spoil: (_row, person) => `系统繁忙 ${person.name} ${person.certNumber}` },
  { rule: 'DQ-005', spoil: (_row, person) => [person.name, person.phone] },
  { rule: 'DQ-005', spoil: (_row, person) => Number(person.phone) },
  bad('DQ-010', (_row, person) => ({ gmsfhm: person.certNumber.slice(0, 17) })),
  bad('DQ-011', (_row, person) => ({ gmsfhm: `${person.certNumber.slice(0, 5)}E+17` })),
  bad('DQ-012', (_row, person) => ({ gmsfhm: wrongBirth(person.certNumber) })),
  bad('DQ-013', (_row, person) => ({ gmsfhm: wrongCheck(person.certNumber) })),
  bad('DQ-030', () => ({ wgbm: UNKNOWN_GRID })),
  bad('DQ-030', (_row, person) => ({ wgbm: person.certNumber.slice(0, 15), hjqh: person.phone })),
  bad('DQ-032', () => ({ wgbm: null })),
  bad('DQ-040', (_row, person) => ({ xb: person.name })),
  bad('DQ-092', (_row, person) => ({ xzz: `${person.residenceAddress}\ufffd` })),
]

/** Personal values where no rule refuses the row: in unknown columns, as keys, in columns of another kind. */
export const oddResidents: readonly BadRow[] = [
  bad('DQ-002', (_row, person) => ({ [person.name]: person.mark, [person.certNumber]: 1, [person.phone]: null })),
  bad('DQ-002', (_row, person) => ({
    beizhu: `${person.mark} ${person.certNumber}`,
    kuozhan: nest({ [person.phone]: [person.permitNo] }),
  })),
  bad('DQ-091', (_row, person) => ({ zjxy: person.mark, 宗教信仰: person.certNumber, xueyuan: person.phone })),
  bad('DQ-014', (_row, person) => ({ gmsfhm: person.certNumber.slice(0, 6) + person.certNumber.slice(8, 17) })),
  bad('DQ-015', () => ({ csrq: '19350607' })),
  bad('DQ-040', (_row, person) => ({
    mz: person.name,
    whcd: person.phone,
    hyzk: person.certNumber,
    zzmm: person.mark,
  })),
  bad('DQ-050', (_row, person) => ({ lxdh: `${person.phone}转8001` })),
  // A shift by one column: every value one place from where it belongs.
  bad('DQ-050', (_row, person, other) => ({
    xm: person.phone,
    lxdh: person.name,
    fwcs: person.certNumber,
    hjdz: other.phone,
    hh: other.certNumber,
  })),
  bad('DQ-016', (_row, person) => ({
    zjlx: '01',
    gmsfhm: withCitizenCheck(`81000019${person.certNumber.slice(8, 17)}`),
  })),
]

/** Bad rows of a house register: everything is text there. */
export const refusedHouses: readonly BadRow[] = [
  bad('DQ-001', () => ({ fwdz: '无' })),
  bad('DQ-003', (_row, person) => ({ fwbsm: person.certNumber })),
  bad('DQ-005', (_row, person) => ({ mj: person.phone })),
  bad('DQ-005', (_row, person) => ({ yt: person.phone })),
  bad('DQ-013', (_row, person) => ({ cqrzjhm: wrongCheck(person.certNumber) })),
  bad('DQ-020', () => ({ cqrlx: '2', cqrxydm: '91510599MA9000000Q' })),
  bad('DQ-030', () => ({ wgbm: UNKNOWN_GRID })),
]

/** A house whose owner's number stands in the column of credit codes, where one number in 31 has the right check character. */
export function slippedHouse(book: CanaryBook): Fields {
  let person = book.take()
  while (!isCreditCode(person.certNumber)) person = book.take()
  return { ...housingRow(person, book.take()), cqrxydm: person.certNumber }
}

/** Rows of a business register with numbers of persons in the columns that anybody may see. */
export const oddEntities: readonly BadRow[] = [
  bad('public free text', (_row, person) => ({ jyfw: `零售；联系人电话${person.phone}，身份证${person.certNumber}` })),
  bad('public authority', (_row, person) => ({ djjg: `江阳区局 经办 ${person.phone}` })),
  bad('public code', (_row, person) => ({
    tyshxydm: usccOf('91', person.number),
    lx: '企业',
    mc: '泸州样例商贸有限公司',
    zs: null,
    jydzbm: person.certNumber,
  })),
  bad('public count', (_row, person) => ({ cyrs: person.phone })),
]

/** Spoilt rows, each of a person of its own and with a second person where the row tells of another. */
export function spoil(
  book: CanaryBook,
  kinds: readonly BadRow[],
  makeRow: (person: CanaryPerson, other: CanaryPerson) => Fields,
): readonly unknown[] {
  return kinds.map(({ spoil: change }) => {
    const [person, other] = [book.take(), book.take()]
    return change(makeRow(person, other), person, other)
  })
}
