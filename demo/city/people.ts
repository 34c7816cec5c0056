import { dayDigits, dayNumber } from './calendar.ts'
import { withCitizenCheck } from './certificates.ts'
import { personName } from './names.ts'
import type { City } from './options.ts'
import { drawFrom, takeAt } from './random.ts'

/** Who a synthetic person is, without where they live. `certType` is a code of GA/T 517 or HMT_RP. */
export interface Person {
  readonly certType: '111' | '553' | 'HMT_RP'
  readonly certNumber: string
  readonly name: string
  /** GB/T 2261.1: 1 male, 2 female. */
  readonly sex: '1' | '2'
  /** yyyyMMdd. */
  readonly birthDigits: string
  readonly phone: string
  /** Place in the household of five numbers: 0 head, 1 spouse, 2 child; 3 head and 4 spouse of the next household. */
  readonly role: number
}

interface Cohort {
  readonly firstDay: number
  readonly days: number
  /** Sequence numbers of the role, so that no two roles ever make the same number. */
  readonly firstSequence: number
  /** The role whose sex this one is the opposite of. */
  readonly spouseOf?: number
}

const daysBetween = (from: string, to: string): number => dayNumber(to) - dayNumber(from) + 1

// No living person can hold a number of 510599 (never assigned), nor a permit with a birth before 1906.
const COHORTS: readonly Cohort[] = [
  { firstDay: dayNumber('1962-01-01'), days: daysBetween('1962-01-01', '1992-12-31'), firstSequence: 0 },
  { firstDay: dayNumber('1962-01-01'), days: daysBetween('1962-01-01', '1992-12-31'), firstSequence: 200, spouseOf: 0 },
  { firstDay: dayNumber('2002-01-01'), days: daysBetween('2002-01-01', '2025-12-31'), firstSequence: 400 },
  { firstDay: dayNumber('1930-01-01'), days: daysBetween('1930-01-01', '1961-12-31'), firstSequence: 600 },
  { firstDay: dayNumber('1930-01-01'), days: daysBetween('1930-01-01', '1961-12-31'), firstSequence: 800, spouseOf: 3 },
]
const OLD_DAYS: Cohort = {
  firstDay: dayNumber('1900-01-02'),
  days: daysBetween('1900-01-02', '1905-12-31'),
  firstSequence: 0,
}
// Prime, so that it walks through every slot of a cohort before it meets one again.
const STRIDE = 1_000_003
const SEQUENCES_PER_ROLE = 200
const ROLES = 5
const HMT_REGIONS = ['810000', '820000', '830000'] as const
const FOREIGN_REGION = '951840'
const STREAM = { hmtRegion: 301 } as const

interface Birth {
  readonly day: number
  readonly sequence: number
}

function birthOf(seed: number, household: number, role: number): Birth {
  const cohort = takeAt(COHORTS, role)
  if (cohort.spouseOf === undefined) {
    const slot = (household * STRIDE + seed) % (cohort.days * SEQUENCES_PER_ROLE)
    return {
      day: cohort.firstDay + Math.floor(slot / SEQUENCES_PER_ROLE),
      sequence: cohort.firstSequence + (slot % SEQUENCES_PER_ROLE),
    }
  }
  const pairs = SEQUENCES_PER_ROLE / 2
  const slot = (household * STRIDE + seed) % (cohort.days * pairs)
  const opposite = (birthOf(seed, household, cohort.spouseOf).sequence + 1) % 2
  return {
    day: cohort.firstDay + Math.floor(slot / pairs),
    sequence: cohort.firstSequence + 2 * (slot % pairs) + opposite,
  }
}

/** Birth in 1900 to 1905, for permits and for the very old: `count` numbers them. */
function oldBirthOf(count: number, firstSequence: number): Birth {
  const slot = (count * STRIDE) % (OLD_DAYS.days * SEQUENCES_PER_ROLE)
  return {
    day: OLD_DAYS.firstDay + Math.floor(slot / SEQUENCES_PER_ROLE),
    sequence: firstSequence + (slot % SEQUENCES_PER_ROLE),
  }
}

interface Holder {
  readonly certType: Person['certType']
  readonly region: string
  readonly birth: Birth
}

// Shares: 1 in 400 holds a permit of Hong Kong, Macao or Taiwan, 1 in 500 a foreign card, 1 in 1,000 was born by 1905.
function holderOf(seed: number, identity: number): Holder {
  const household = Math.floor(identity / ROLES)
  if (identity % 400 === 398) {
    const region = drawFrom(seed, STREAM.hmtRegion, identity, HMT_REGIONS)
    return { certType: 'HMT_RP', region, birth: oldBirthOf(Math.floor(identity / 400), 0) }
  }
  if (identity % 500 === 399)
    return { certType: '553', region: FOREIGN_REGION, birth: oldBirthOf(Math.floor(identity / 500), 0) }
  const old = identity % 1000 === 753
  const birth = old ? oldBirthOf(Math.floor(identity / 1000), 600) : birthOf(seed, household, identity % ROLES)
  return { certType: '111', region: '510599', birth }
}

/** Person number `identity` of the city, made from that number alone. */
export function personAt(city: City, identity: number): Person {
  const { certType, region, birth } = holderOf(Math.abs(city.seed) % 1_000_000, identity)
  const birthDigits = dayDigits(birth.day)
  const digits = region + birthDigits + String(birth.sequence).padStart(3, '0')
  return {
    certType,
    certNumber: withCitizenCheck(digits),
    name: personName(city.seed, identity),
    sex: birth.sequence % 2 === 1 ? '1' : '2',
    birthDigits,
    phone: phoneOf(identity),
    role: identity % ROLES,
  }
}

/** A number of the block 1990 that is set aside for synthetic people; `index` may be any whole number. */
export function phoneOf(index: number): string {
  return `1990${String(index % 10_000_000).padStart(7, '0')}`
}

/** The head of a household, who is also the owner of its house. Even houses hold three people, odd ones two. */
export function ownerOfHouse(house: number): number {
  return Math.floor(house / 2) * ROLES + (house % 2 === 0 ? 0 : 3)
}

/** The house of the person who is number `index` of the city. */
export function houseOfPerson(index: number): number {
  return Math.floor(index / ROLES) * 2 + (index % ROLES < 3 ? 0 : 1)
}
