import type { Manifest } from '../../src/feeds/manifest-types.ts'

/** A manifest of a made-up department feed; `change` replaces members. */
export function createManifest(change: Partial<Manifest> = {}): Manifest {
  return {
    manifestVersion: 1,
    feed: {
      code: 'LZ-GA-RK-001',
      department: 'public-security',
      dataset: 'resident',
      title: '实有人口',
      titleEn: 'Residents',
      updateCycle: 'P1D',
    },
    source: {
      kind: 'http',
      baseUrl: 'https://residents.example/api',
      auth: { kind: 'bearer', token: 'residentToken' },
      request: { method: 'GET', path: '/residents', query: { token: '{page.token}', size: '{page.size}' } },
      records: '/data/rows',
      paging: { kind: 'token', size: 500, next: '/data/next' },
      timeouts: { connectMs: 1000, totalMs: 10_000 },
    },
    record: { id: '/id', updatedAt: '/gxsj' },
    map: residentMap,
    deletes: { kind: 'flag', pointer: '/scbz', values: ['1', true] },
    quality: { errorBudget: { records: 100, ratio: 0.05 } },
    limits: { pageBytes: 1_000_000, pages: 1000 },
    schedule: { cron: '0 2 * * *', timezone: 'Asia/Shanghai' },
    ...change,
  }
}

const residentMap: Manifest['map'] = [
  { to: '/certType', from: '/zjlx' },
  { to: '/certNumber', from: '/zjhm', type: 'string' },
  { to: '/name', from: '/xm' },
  { to: '/sex', from: '/xb', codes: { 男: '1', 女: '2', 未知: '0' } },
  { to: '/birthDate', from: '/csrq', date: 'yyyyMMdd' },
  { to: '/ethnicity', from: '/mz' },
  { to: '/residentKind', constant: 'FLOATING' },
  { to: '/gridCode', from: '/wg/bm' },
  { to: '/residenceAddress', from: '/dz' },
  { to: '/residenceSince', from: '/rzrq', date: 'yyyy-MM-dd' },
  { to: '/permitExpiry', from: '/dqrq', date: 'yyyy/MM/dd' },
  { to: '/phone', from: '/lxfs', type: 'string' },
  { to: '/lifeStatus', from: '/zt', codes: { '0': 'ALIVE', '1': 'DECEASED' } },
]

/** A row of that feed about a person who does not exist; `change` replaces members. */
export function createResidentRow(change: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return {
    id: 'R-1',
    gxsj: '2026-11-01 08:00:00',
    scbz: '0',
    zjlx: '111',
    zjhm: '510502190001010017',
    xm: '张测试',
    xb: '男',
    csrq: null,
    mz: '01',
    wg: { bm: '510502001001001' },
    dz: '四川省泸州市江阳区南城街道测试社区测试路1号2栋3单元401',
    rzrq: '2020-01-01',
    dqrq: '2030/1/5',
    lxfs: '19900000001',
    zt: '0',
    ...change,
  }
}

/** The house feed of the same department, with a free text. */
export function createHousingManifest(): Manifest {
  const plain = ['houseId', 'addressCode', 'fullAddress', 'gridCode', 'hazardType', 'remark', 'lon', 'lat'] as const
  return createManifest({
    feed: { ...createManifest().feed, code: 'LZ-GA-FW-001', dataset: 'housing' },
    map: plain.map((name) => ({ to: `/${name}`, from: `/${name}` })),
  })
}

export function createHousingRow(change: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return {
    id: 'H-1',
    houseId: 'FW-0001',
    addressCode: 'DZ-0001',
    fullAddress: '四川省泸州市江阳区南城街道测试社区1号',
    gridCode: '510502001001001',
    remark: '门锁已换',
    ...change,
  }
}
