import { dayDigits, dayNumber } from './calendar.ts'
import { countyCodes } from './geography.ts'
import { houseAt } from './houses.ts'
import type { House } from './houses.ts'
import type { RowRequest, SourceFields } from './layout.ts'
import type { City } from './options.ts'
import { houseOfPerson, personAt, phoneOf } from './people.ts'
import type { Person } from './people.ts'
import { drawBelow, drawChance, drawFrom, takeAt } from './random.ts'

const STREAM = {
  floating: 401,
  ethnicity: 402,
  county: 403,
  since: 404,
  reason: 405,
  work: 406,
  politics: 407,
  expiry: 408,
}
const CERTIFICATE_KINDS = { '111': '01', HMT_RP: '02', '553': '03' } as const
// Department code of the kind of resident, by certificate: 3 overseas, 4 Hong Kong, Macao, Taiwan.
const FOREIGN_KINDS: Readonly<Record<string, string>> = { HMT_RP: '4', '553': '3' }
// Miao and Yi people are many in Xuyong and Gulin; the rest is a choice among seven of ten Han.
const ETHNICITIES = ['01', '01', '01', '01', '01', '01', '01', '06', '07', '03'] as const
const WORKPLACES = [
  '泸州老窖样例车间',
  '江阳区样例小学',
  '酒城样例物流公司',
  '龙马潭样例商场',
  '样例建筑劳务公司',
] as const
/** What a role brings by itself: relation to head, education, marital status, occupation. */
const ROLES = [
  { relation: '02', education: '31', marriage: '20', occupation: '20700' },
  { relation: '10', education: '61', marriage: '20', occupation: '40100' },
  { relation: '20', education: '81', marriage: '10', occupation: null },
  { relation: '02', education: '71', marriage: '20', occupation: '50100' },
  { relation: '10', education: '71', marriage: '20', occupation: null },
] as const
const FIRST_MOVE = dayNumber('2005-01-01')

/** What only those have who moved in from elsewhere: reason, permit and when it ends. */
function floatingFields(city: City, identity: number, person: Person, floating: boolean): SourceFields {
  if (!floating) return { lryy: null, zslx: null, jzzlx: null, jzzh: null, jzzdqr: null }
  return {
    lryy: drawFrom(city.seed, STREAM.reason, identity, ['01', '03', '04', '05', '08']),
    zslx: '02',
    jzzlx: '01',
    jzzh: person.certNumber,
    jzzdqr: `203${drawBelow(city.seed, STREAM.expiry, identity, 9)}0630`,
  }
}

function registeredFields(city: City, identity: number, house: House, away: boolean): SourceFields {
  const county = away ? drawFrom(city.seed, STREAM.county, identity, countyCodes) : house.building.community.countyCode
  return {
    rhyz: away ? '02' : '01',
    hh: `H${String(houseOfPerson(identity)).padStart(8, '0')}`,
    hjqh: county,
    hjdz: away
      ? `四川省泸州市${house.building.community.countyName}样例镇样例村${(identity % 9) + 1}组`
      : house.fullAddress,
  }
}

function residenceFields(city: City, identity: number, house: House): SourceFields {
  return {
    dzbm: house.addressCode,
    xzz: house.fullAddress,
    wgbm: house.building.gridCode,
    fwbh: house.houseId,
    rzrq: dayDigits(FIRST_MOVE + drawBelow(city.seed, STREAM.since, identity, 7000)),
  }
}

function socialFields(city: City, identity: number, person: Person): SourceFields {
  const role = takeAt(ROLES, person.role)
  const grown = role.occupation !== null
  return {
    yhzgx: role.relation === '20' && person.sex === '2' ? '30' : role.relation,
    fwcs: grown ? drawFrom(city.seed, STREAM.work, identity, WORKPLACES) : null,
    zylb: role.occupation,
    whcd: role.education,
    hyzk: role.marriage,
    zzmm: grown && drawChance(city.seed, STREAM.politics, identity, 12) ? '01' : '13',
  }
}

/** One row of the population system: who the `identity` is, in the house of `location`. Update time apart. */
export function residentRow({ city, identity, location, revision }: RowRequest): SourceFields {
  const person = personAt(city, identity)
  const house = houseAt(city, houseOfPerson(location))
  const floating = person.certType === '111' && drawChance(city.seed, STREAM.floating, identity, 7)
  return {
    rkbm: `RK${String(identity).padStart(10, '0')}`,
    zjlx: CERTIFICATE_KINDS[person.certType],
    gmsfhm: person.certNumber,
    xm: person.name,
    xb: person.sex,
    csrq: person.birthDigits,
    mz: person.certType === '111' ? drawFrom(city.seed, STREAM.ethnicity, identity, ETHNICITIES) : null,
    rklb: FOREIGN_KINDS[person.certType] ?? (floating ? '2' : '1'),
    ...registeredFields(city, identity, house, floating),
    ...residenceFields(city, identity, house),
    ...floatingFields(city, identity, person, floating),
    ...socialFields(city, identity, person),
    lxdh: revision === 0 ? person.phone : phoneOf(identity + 5_000_000),
    zt: '正常',
    czbz: 'U',
  }
}
