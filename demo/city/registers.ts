import { eventDirt, licenceDirt, matterDirt, siteDirt, statusDirt } from './register-dirt.ts'
import { eventRows, licenceRows, matterRows, siteRows, statusRows } from './register-rows.ts'
import type { Register } from './register.ts'

const statusColumns = {
  id: 'ywlsh',
  certType: 'zjlx',
  certNumber: 'zjhm',
  name: 'xm',
  kind: 'xz',
  status: 'zt',
  from: 'ksrq',
  to: 'jsrq',
  county: 'xqdm',
  grid: 'wgbm',
} as const

const siteColumns = {
  id: 'dwbh',
  kind: 'dwlx',
  name: 'dwmc',
  uscc: 'tyshxydm',
  unit: 'zrdw',
  address: 'dz',
  grid: 'wgbm',
  lon: 'jd',
  lat: 'wd',
  level: 'dj',
  deadline: 'zgqx',
  status: 'zt',
} as const

const matterColumns = {
  id: 'ajid',
  number: 'ajbh',
  kind: 'ajlx',
  topic: 'wtlb',
  place: 'fsdd',
  county: 'xqdm',
  grid: 'wgbm',
  urgent: 'sfjj',
  stage: 'bljd',
  received: 'slrq',
  deadline: 'blqx',
  closed: 'bjrq',
  unit: 'cbdw',
  result: 'bljg',
} as const

const licenceColumns = {
  id: 'zzid',
  uscc: 'tyshxydm',
  unit: 'dwmc',
  kind: 'zzlx',
  number: 'zzbh',
  from: 'yxqs',
  to: 'yxqz',
  status: 'zzzt',
  authority: 'fzjg',
  grid: 'wgbm',
} as const

const eventColumns = {
  id: 'zmbh',
  kind: 'sjlx',
  date: 'sjrq',
  certType: 'zjlx',
  certNumber: 'zjhm',
  name: 'xm',
  sex: 'xb',
  birth: 'csrq',
  county: 'xqdm',
  grid: 'wgbm',
} as const

/** Columns of a department whose database writes its names in capitals. */
function inCapitals(columns: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column.toUpperCase()]))
}

const MEDIATION = {
  kinds: ['人民调解'],
  topics: ['邻里纠纷', '婚姻家庭', '土地征收', '劳动争议'],
  units: ['人民调解委员会', '司法所'],
  results: ['达成协议', '调解不成'],
} as const
const CITY_CASES = {
  kinds: ['城管案卷'],
  topics: ['市容环境', '公共设施', '交通出行'],
  units: ['综合行政执法局', '环卫所'],
  results: ['已解决'],
} as const
const PETITIONS = {
  kinds: ['信访事项'],
  topics: ['土地征收', '劳动社保', '住房物业', '生态环境', '其他'],
  units: ['信访局'],
  results: ['已解决', '部分解决', '转办'],
} as const
const HOTLINE = {
  kinds: ['热线工单'],
  topics: ['公共设施', '住房物业', '市场消费', '政务服务', '生态环境', '其他'],
  units: ['住房城乡建设局', '市场监督管理局', '街道办事处'],
  results: ['已解决', '部分解决'],
} as const

const INSURED = 4000
const EMPLOYED = 800
const MEDICALLY_INSURED = 10_000
const EVENTS = 400

/** What the departments keep beside the base data, by the code of the feed that hands it out. */
export const registers = {
  'LZ-SF-TJ-001': {
    dataset: 'matter',
    prefix: 'TJ',
    share: 200,
    row: matterRows(MEDIATION),
    columns: matterColumns,
    dirt: matterDirt('file'),
  },
  'LZ-RS-CB-001': {
    dataset: 'person-status',
    prefix: 'CB',
    share: INSURED,
    row: statusRows(INSURED, ['城镇职工养老', '失业保险', '工伤保险']),
    columns: statusColumns,
    dirt: statusDirt('json'),
  },
  'LZ-RS-JY-001': {
    dataset: 'person-status',
    prefix: 'JY',
    share: EMPLOYED,
    row: statusRows(EMPLOYED, ['就业登记', '失业登记', '就业困难']),
    columns: statusColumns,
    dirt: statusDirt('json'),
  },
  'LZ-ZR-DZ-001': {
    dataset: 'site',
    prefix: 'DH',
    share: 60,
    row: siteRows(['地质灾害隐患点']),
    columns: siteColumns,
    dirt: siteDirt('table'),
  },
  'LZ-HB-PW-001': {
    dataset: 'organisation-licence',
    prefix: 'PW',
    share: 120,
    row: licenceRows(['排污许可证', '危废经营许可证'], '生态环境局'),
    columns: licenceColumns,
    dirt: licenceDirt('json'),
  },
  'LZ-HB-DW-001': {
    dataset: 'site',
    prefix: 'HB',
    share: 80,
    row: siteRows(['入河排污口', '水质断面', '空气站', '重点排污单位']),
    columns: siteColumns,
    dirt: siteDirt('json'),
  },
  'LZ-NY-JT-001': {
    dataset: 'organisation-licence',
    prefix: 'NY',
    share: 100,
    row: licenceRows(['集体经济组织登记证', '农民合作社登记'], '农业农村局'),
    columns: inCapitals(licenceColumns),
    dirt: licenceDirt('table'),
  },
  'LZ-WJ-SM-001': {
    dataset: 'life-event',
    prefix: 'SM',
    share: EVENTS,
    row: eventRows(EVENTS),
    columns: inCapitals(eventColumns),
    dirt: eventDirt('table'),
  },
  'LZ-YJ-DW-001': {
    dataset: 'site',
    prefix: 'YJ',
    share: 150,
    row: siteRows(['重大危险源', '危化单位', '工贸企业', '事故隐患点', '避难场所', '物资储备点']),
    columns: siteColumns,
    dirt: siteDirt('json'),
  },
  'LZ-CG-AJ-001': {
    dataset: 'matter',
    prefix: 'CG',
    share: 600,
    row: matterRows(CITY_CASES),
    columns: matterColumns,
    dirt: matterDirt('table'),
  },
  'LZ-SC-XK-001': {
    dataset: 'organisation-licence',
    prefix: 'XK',
    share: 300,
    row: licenceRows(['食品经营许可证', '药品经营许可证', '特种设备使用登记证'], '市场监督管理局'),
    columns: licenceColumns,
    dirt: licenceDirt('file'),
  },
  'LZ-XF-SX-001': {
    dataset: 'matter',
    prefix: 'XF',
    share: 120,
    row: matterRows(PETITIONS),
    columns: matterColumns,
    dirt: matterDirt('file'),
  },
  'LZ-YB-CB-001': {
    dataset: 'person-status',
    prefix: 'YB',
    share: MEDICALLY_INSURED,
    row: statusRows(MEDICALLY_INSURED, ['职工医保', '居民医保']),
    columns: statusColumns,
    dirt: statusDirt('json'),
  },
  'LZ-ZW-GD-001': {
    dataset: 'matter',
    prefix: 'GD',
    share: 800,
    row: matterRows(HOTLINE),
    columns: matterColumns,
    dirt: matterDirt('json'),
  },
  'LZ-ZW-ZZ-001': {
    dataset: 'organisation-licence',
    prefix: 'ZZ',
    share: 200,
    row: licenceRows(['人力资源服务许可证', '劳务派遣许可证', '排水许可证'], '行政审批局'),
    columns: licenceColumns,
    dirt: licenceDirt('json'),
  },
} as const satisfies Readonly<Record<string, Register>>
