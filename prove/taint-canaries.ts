import { withCitizenCheck } from '../demo/city/certificates.ts'

/** One personal value that exists nowhere else in the world, and the name of the field it stands for. */
export interface Canary {
  readonly field: string
  readonly value: string
}

/** A person none of whose values belongs to anybody: every one of them is unique and can be searched for. */
export interface CanaryPerson {
  readonly number: number
  readonly certNumber: string
  readonly permitNo: string
  readonly phone: string
  readonly name: string
  readonly registeredAddress: string
  readonly residenceAddress: string
  readonly workplace: string
  readonly householdNo: string
  readonly addressCode: string
  readonly houseId: string
  readonly realEstateUnitNo: string
  readonly buildingName: string
  /** A few rare characters for free text. */
  readonly mark: string
  readonly sex: '1' | '2'
  /** yyyyMMdd */
  readonly birth: string
}

/** Hands out new people and remembers every value of those it handed out. */
export interface CanaryBook {
  readonly take: () => CanaryPerson
  readonly canaries: () => readonly Canary[]
  readonly people: () => number
}

// Of every month 28 days, so that (month, day, sequence) is unique and with it the last eight characters of the number.
const DAYS = 28
const MONTHS = 12
const FIRST_YEAR = 1901
const YEARS = 5

const pad = (value: number, length: number): string => String(value).padStart(length, '0')

/** A citizen number with a right check character, of the county code 510599, which was never assigned. */
function citizenNumber(number: number): string {
  const day = number % (DAYS * MONTHS)
  const birth = `${FIRST_YEAR + (number % YEARS)}${pad(1 + Math.floor(day / DAYS), 2)}${pad(1 + (day % DAYS), 2)}`
  return withCitizenCheck(`510599${birth}${pad(1 + Math.floor(number / (DAYS * MONTHS)), 3)}`)
}

const EXTENSION_A = 0x3400
const EXTENSION_A_SIZE = 6500
const EXTENSION_B = 0x20000

/** Three rare characters, two of CJK extension A and one beyond the basic plane: at least eight bytes in every encoding. */
function rareText(number: number): string {
  const first = EXTENSION_A + ((number * 37) % EXTENSION_A_SIZE)
  const second = EXTENSION_A + ((number * 101 + 7) % EXTENSION_A_SIZE)
  return String.fromCodePoint(first, second, EXTENSION_B + number)
}

/** Masked addresses end at the community, so the street number behind it must never be seen. */
const addressOf = (road: string): string => `四川省泸州市江阳区南城街道治平社区${road}3栋2单元901室`
const roadOf = (number: number): string => `样例路${7_000_000 + number}号`
const RARE_TEXTS = 4
const FIRST_PHONE = 19_901_000_000

function makePerson(number: number): CanaryPerson {
  const rare = (place: number): string => rareText(number * RARE_TEXTS + place)
  const certNumber = citizenNumber(2 * number)
  return {
    number,
    certNumber,
    permitNo: citizenNumber(2 * number + 1),
    phone: String(FIRST_PHONE + number),
    name: `张${rare(0)}`,
    registeredAddress: addressOf(roadOf(2 * number)),
    residenceAddress: addressOf(roadOf(2 * number + 1)),
    workplace: `泸州${rare(1)}样例厂房`,
    householdNo: `HU9${pad(number, 7)}`,
    addressCode: `DZC-${pad(number, 8)}-R901`,
    houseId: `FWC9${pad(number, 8)}`,
    realEstateUnitNo: `510502001001GB00001F${pad(10_000_000 + number, 8)}`,
    buildingName: `样例${rare(2)}楼`,
    mark: rare(3),
    sex: Number(certNumber[16]) % 2 === 1 ? '1' : '2',
    birth: certNumber.slice(6, 14),
  }
}

/**
 * What of a person is searched for. Where a mask shows a part by right (the surname, the community, the ends of an employer's
 * name), only the rest is.
 */
function canariesOf(person: CanaryPerson): readonly Canary[] {
  const { number, certNumber, permitNo, phone, householdNo, addressCode, houseId, realEstateUnitNo, mark } = person
  const rare = (place: number): string => rareText(number * RARE_TEXTS + place)
  return Object.entries({
    certNumber,
    permitNo,
    phone,
    name: rare(0),
    registeredAddress: roadOf(2 * number),
    residenceAddress: roadOf(2 * number + 1),
    workplace: rare(1),
    householdNo,
    addressCode,
    houseId,
    realEstateUnitNo: realEstateUnitNo.slice(12),
    buildingName: rare(2),
    mark,
  }).map(([field, value]) => ({ field, value }))
}

export function openCanaryBook(): CanaryBook {
  const people: CanaryPerson[] = []
  return {
    take: () => {
      const person = makePerson(people.length)
      people.push(person)
      return person
    },
    canaries: () => people.flatMap(canariesOf),
    people: () => people.length,
  }
}
