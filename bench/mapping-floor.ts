import type { SourceRow } from '../src/record.ts'

/** A row of the resident feed, by the names of its columns. */
type Columns = Readonly<
  Record<
    | 'rkbm'
    | 'zjlx'
    | 'gmsfhm'
    | 'xm'
    | 'xb'
    | 'csrq'
    | 'mz'
    | 'rklb'
    | 'rhyz'
    | 'hh'
    | 'yhzgx'
    | 'hjqh'
    | 'hjdz'
    | 'dzbm'
    | 'xzz'
    | 'wgbm'
    | 'fwbh'
    | 'rzrq'
    | 'lryy'
    | 'zslx'
    | 'jzzlx'
    | 'jzzh'
    | 'jzzdqr'
    | 'lxdh'
    | 'fwcs'
    | 'zylb'
    | 'whcd'
    | 'hyzk'
    | 'zzmm'
    | 'zt',
    unknown
  >
>

/** What no mapping can beat on this machine: the fields of a resident copied by a literal, unread and unjudged. */
export function copyResident({ value }: SourceRow): object {
  const row = value as Columns
  return {
    sourceRecordId: row.rkbm,
    certType: row.zjlx,
    certNumber: row.gmsfhm,
    name: row.xm,
    sex: row.xb,
    birthDate: row.csrq,
    ethnicity: row.mz,
    residentKind: row.rklb,
    householdConsistency: row.rhyz,
    householdNo: row.hh,
    relationToHead: row.yhzgx,
    registeredDivision: row.hjqh,
    registeredAddress: row.hjdz,
    residenceAddressCode: row.dzbm,
    residenceAddress: row.xzz,
    gridCode: row.wgbm,
    houseId: row.fwbh,
    residenceSince: row.rzrq,
    residenceReason: row.lryy,
    residenceKind: row.zslx,
    permitType: row.jzzlx,
    permitNo: row.jzzh,
    permitExpiry: row.jzzdqr,
    phone: row.lxdh,
    workplace: row.fwcs,
    occupationCode: row.zylb,
    education: row.whcd,
    maritalStatus: row.hyzk,
    politicalStatus: row.zzmm,
    lifeStatus: row.zt,
  }
}
