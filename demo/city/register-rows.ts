import { dayDigits, dayNumber } from './calendar.ts'
import { entityName, entityUscc } from './entity-source.ts'
import type { Building } from './geography.ts'
import { houseAt } from './houses.ts'
import type { SourceFields } from './layout.ts'
import type { City } from './options.ts'
import { houseOfPerson } from './people.ts'
import { drawBelow, drawChance, drawFrom, takeAt } from './random.ts'
import { countRows, personOfRow } from './register.ts'
import type { Entry } from './register.ts'

const STREAM = { kind: 801, level: 802, state: 803, topic: 804, day: 805, urgent: 806 } as const
const CERTIFICATE_KINDS = { '111': '居民身份证', HMT_RP: '港澳台居民居住证', '553': '外国人永久居留证' } as const
const FIRST_DAY = dayNumber('2024-10-01')
const DAYS = 400

/** yyyy-MM-dd. */
function dayText(day: number): string {
  const digits = dayDigits(day)
  return `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}`
}

const dayOf = ({ city, identity }: Entry): number => FIRST_DAY + drawBelow(city.seed, STREAM.day, identity, DAYS)

/** A list of words, each as likely as the others. */
type Words = readonly string[]
type MakeRow = (entry: Entry) => SourceFields

const drawKind = ({ city, identity }: Entry, kinds: Words): string => drawFrom(city.seed, STREAM.kind, identity, kinds)

function unitOf(city: City, location: number): { readonly uscc: string; readonly unit: string } {
  const entity = location % city.entities
  return { uscc: entityUscc(entity), unit: entityName(city, entity) }
}

const placeOf = ({ community, gridCode }: Building) => ({ county: community.countyCode, grid: gridCode })

/** Yes and no statuses of residents, `share` as the register says. Pass two ends them. */
export function statusRows(share: number, kinds: Words): MakeRow {
  return (entry) => {
    const { city, location, revision } = entry
    const { index, person } = personOfRow(city, countRows(city, share), location)
    const started = FIRST_DAY + drawBelow(city.seed, STREAM.day, index, DAYS)
    const ended = revision === 1
    return {
      id: entry.id,
      certType: CERTIFICATE_KINDS[person.certType],
      certNumber: person.certNumber,
      name: person.name,
      kind: drawKind(entry, kinds),
      status: ended ? '终止' : drawChance(city.seed, STREAM.state, index, 30) ? '暂停' : '正常',
      from: dayText(started),
      to: ended ? dayText(started + DAYS) : null,
      ...placeOf(houseAt(city, houseOfPerson(index)).building),
    }
  }
}

const LEVELS = ['一般', '一般', '较大', '重大'] as const

/** Places with a unit that answers for them. Pass two puts them right. */
export function siteRows(kinds: Words): MakeRow {
  return (entry) => {
    const { city, identity, location, building, revision } = entry
    const kind = drawKind(entry, kinds)
    return {
      id: entry.id,
      kind,
      name: `${building.community.name}${kind}${identity + 1}号`,
      ...unitOf(city, location),
      address: building.fullAddress,
      grid: building.gridCode,
      lon: building.lon,
      lat: building.lat,
      level: drawFrom(city.seed, STREAM.level, identity, LEVELS),
      deadline: dayText(dayOf(entry) + 30),
      status: revision === 1 ? '已整改' : drawFrom(city.seed, STREAM.state, identity, ['正常', '整改中']),
    }
  }
}

/** The words of one department about its cases. */
export interface MatterWords {
  readonly kinds: Words
  readonly topics: Words
  readonly units: Words
  readonly results: Words
}

/** Cases and work orders, about places and never about people. Pass two closes them. */
export function matterRows({ kinds, topics, units, results }: MatterWords): MakeRow {
  return (entry) => {
    const { city, identity, building, revision } = entry
    const received = dayOf(entry)
    const done = revision === 1
    return {
      id: entry.id,
      number: `${entry.id}-${dayDigits(received)}`,
      kind: drawKind(entry, kinds),
      topic: drawFrom(city.seed, STREAM.topic, identity, topics),
      place: building.fullAddress,
      ...placeOf(building),
      urgent: drawChance(city.seed, STREAM.urgent, identity, 20) ? '1' : '0',
      stage: done ? '办结' : drawFrom(city.seed, STREAM.state, identity, ['受理', '派遣', '处置']),
      received: dayText(received),
      deadline: dayText(received + 15),
      closed: done ? dayText(received + 10) : null,
      unit: `${building.community.countyName}${takeAt(units, identity % units.length)}`,
      result: done ? takeAt(results, identity % results.length) : null,
    }
  }
}

/** Licences of units of the city. Pass two renews them. */
export function licenceRows(kinds: Words, authority: string): MakeRow {
  return (entry) => {
    const { city, location, building, revision } = entry
    const issued = dayOf(entry)
    return {
      id: entry.id,
      ...unitOf(city, location),
      kind: drawKind(entry, kinds),
      number: `川${entry.id}（${dayDigits(issued).slice(0, 4)}）`,
      from: dayText(issued),
      to: dayText(issued + (revision === 1 ? 6 : 3) * 365),
      status: '有效',
      authority: `${building.community.countyName}${authority}`,
      grid: building.gridCode,
    }
  }
}

/** Births without a name or number, and deaths of residents. Pass two corrects the day. */
export function eventRows(share: number): MakeRow {
  return (entry) => {
    const { city, identity, location, building, revision } = entry
    const day = dayOf(entry) + revision
    if (location % 2 === 0) {
      const sex = drawBelow(city.seed, STREAM.kind, identity, 2) === 0 ? '男' : '女'
      const nobody = { certType: null, certNumber: null, name: null }
      return {
        id: entry.id,
        kind: '出生',
        date: dayText(day),
        ...nobody,
        sex,
        birth: dayText(day),
        ...placeOf(building),
      }
    }
    const { index, person } = personOfRow(city, countRows(city, share), location)
    const { birthDigits: birth } = person
    return {
      id: entry.id,
      kind: '死亡',
      date: dayText(day),
      certType: CERTIFICATE_KINDS[person.certType],
      certNumber: person.certNumber,
      name: person.name,
      sex: person.sex === '1' ? '男' : '女',
      birth: `${birth.slice(0, 4)}-${birth.slice(4, 6)}-${birth.slice(6)}`,
      ...placeOf(houseAt(city, houseOfPerson(index)).building),
    }
  }
}
