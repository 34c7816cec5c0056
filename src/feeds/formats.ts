/**
 * Identifiers of the field as pure functions and as JSON Schema formats. Every check is a single pass over the text or
 * an anchored pattern without nested repetition, so no input makes it slow. Code tables never sit here: which towns or
 * certificate types exist is data in `schemas/codes/`.
 */

/** What is wrong with a number: its shape, its birth date, or its check digit. */
export type NumberFault = 'shape' | 'date' | 'check'

/** Province part of a first place of registration. Never checked deeper: abolished codes live on in citizen numbers. */
const PROVINCES = new Set(
  '11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71'.split(' '),
)
const PERMIT_REGIONS = new Set(['810000', '820000', '830000'])
const NO_PERSON_BORN_BEFORE = '1880-01-01'
const CHINA_OFFSET_MS = 8 * 60 * 60 * 1000
const ZERO = 48
const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** The calendar day `yyyy-MM-dd` in China Standard Time (UTC+8, no daylight saving). */
export function dayOf(date: Date): string {
  return new Date(date.getTime() + CHINA_OFFSET_MS).toISOString().slice(0, 10)
}

function digitsAt(text: string, start: number, count: number): number {
  let value = 0
  for (let index = start; index < start + count; index++) {
    const digit = text.charCodeAt(index) - ZERO
    if (!(digit >= 0 && digit <= 9)) return -1
    value = value * 10 + digit
  }
  return value
}

function isCalendarDay(year: number, month: number, day: number): boolean {
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > (DAYS[month - 1] ?? 0)) return false
  if (month !== 2 || day !== 29) return true
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
}

/** A day of the calendar written `yyyy-MM-dd` (GB/T 7408.1, RFC 3339 full-date). */
export function isDate(text: string): boolean {
  if (text.length !== 10 || text[4] !== '-' || text[7] !== '-') return false
  return isCalendarDay(digitsAt(text, 0, 4), digitsAt(text, 5, 2), digitsAt(text, 8, 2))
}

const CITIZEN_WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
const CITIZEN_CHECKS = '10X98765432'

/** The ISO 7064 MOD 11-2 check character of 17 digits, or null where they are not digits. */
function citizenCheck(text: string): string | null {
  let sum = 0
  for (let index = 0; index < 17; index++) {
    const digit = text.charCodeAt(index) - ZERO
    if (!(digit >= 0 && digit <= 9)) return null
    sum += digit * (CITIZEN_WEIGHTS[index] ?? 0)
  }
  return CITIZEN_CHECKS.charAt(sum % 11)
}

/** The birth date `yyyy-MM-dd` inside an 18-character number; not checked against the calendar. */
export function birthDateOf(number: string): string {
  return `${number.slice(6, 10)}-${number.slice(10, 12)}-${number.slice(12, 14)}`
}

/** The sex code (GB/T 2261.1: 1 male, 2 female) that the 17th digit of an 18-character number tells. */
export function sexOf(number: string): '1' | '2' {
  return (number.charCodeAt(16) - ZERO) % 2 === 1 ? '1' : '2'
}

function eighteenFault(text: string, today: string, isRegion: (text: string) => boolean): NumberFault | null {
  if (text.length !== 18 || !isRegion(text)) return 'shape'
  const check = citizenCheck(text)
  const last = text.charAt(17)
  if (check === null || (last !== 'X' && !(last >= '0' && last <= '9'))) return 'shape'
  const birth = birthDateOf(text)
  if (!isDate(birth) || birth < NO_PERSON_BORN_BEFORE || birth > today) return 'date'
  return check === last ? null : 'check'
}

const isProvince = (text: string): boolean => PROVINCES.has(text.slice(0, 2))
const isPermitRegion = (text: string): boolean => PERMIT_REGIONS.has(text.slice(0, 6))
const isForeignRegion = (text: string): boolean => text[0] === '9' && PROVINCES.has(text.slice(1, 3))
const NEVER = '9999-12-31'

/** GB 11643 citizen number, 18 characters. `today` (yyyy-MM-dd) refuses later births; without it any calendar day passes. */
export function citizenNumberFault(text: string, today: string = NEVER): NumberFault | null {
  return eighteenFault(text, today, isProvince)
}

/** Residence permit for Hong Kong, Macao and Taiwan residents: GB 11643 with region 810000, 820000 or 830000. */
export function permitNumberFault(text: string, today: string = NEVER): NumberFault | null {
  return eighteenFault(text, today, isPermitRegion)
}

const OLD_RESIDENT_CARD = /^[A-Z]{3}\d{12}$/

/** Foreign permanent resident ID card: the 2023 edition (18 characters, first digit 9) or the old 3 letters + 12 digits. */
export function foreignResidentFault(text: string, today: string = NEVER): NumberFault | null {
  return OLD_RESIDENT_CARD.test(text) ? null : eighteenFault(text, today, isForeignRegion)
}

export const isCitizenNumber = (text: string): boolean => citizenNumberFault(text) === null
export const isPermitNumber = (text: string): boolean => permitNumberFault(text) === null
export const isForeignResidentNumber = (text: string): boolean => foreignResidentFault(text) === null

/** A 15-digit number of the first generation as 18 characters (GB 11643 annex: century 19), or null for any other text. */
export function toEighteen(text: string): string | null {
  if (text.length !== 15) return null
  const body = `${text.slice(0, 6)}19${text.slice(6)}`
  const check = citizenCheck(body)
  return check === null ? null : body + check
}

const CREDIT_ALPHABET = '0123456789ABCDEFGHJKLMNPQRTUWXY'
const CREDIT_WEIGHTS = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28]
const CREDIT_SHAPE = /^[0-9A-HJ-NPQRTUWXY]{2}\d{6}[0-9A-HJ-NPQRTUWXY]{10}$/

/** GB 32100 unified social credit code. The first two characters are not restricted: their list grows. */
export function isCreditCode(text: string): boolean {
  if (!CREDIT_SHAPE.test(text)) return false
  let sum = 0
  for (let index = 0; index < 17; index++) {
    sum += CREDIT_ALPHABET.indexOf(text.charAt(index)) * (CREDIT_WEIGHTS[index] ?? 0)
  }
  return CREDIT_ALPHABET.charAt((31 - (sum % 31)) % 31) === text[17]
}

const ORGANISATION_SHAPE = /^[0-9A-Z]{8}-?[0-9X]$/
const ORGANISATION_WEIGHTS = [3, 7, 9, 10, 5, 8, 4, 2]

/** GB 11714 organisation code, with or without its hyphen. */
export function isOrganisationCode(text: string): boolean {
  if (!ORGANISATION_SHAPE.test(text)) return false
  let sum = 0
  for (let index = 0; index < 8; index++) {
    sum += Number.parseInt(text.charAt(index), 36) * (ORGANISATION_WEIGHTS[index] ?? 0)
  }
  const check = 11 - (sum % 11)
  return text.endsWith(check === 10 ? 'X' : String(check % 11))
}

const REAL_ESTATE_UNIT = /^\d{12}[GJZ][ABCDEFGHSWXY]\d{5}(?:[FLQ]\d{8}|W00000000)$/
const DIVISION = /^[1-8]\d{5}$/
const TOWN = /^[1-8]\d{5}[0-5]\d{2}$/
const COMMUNITY = /^[1-8]\d{5}[0-5]\d{2}(?!000)\d{3}$/
const GRID = /^[1-8]\d{5}[0-5]\d{2}(?!000)\d{6}$/
const MOBILE = /^1[3-9]\d{9}$/
const LANDLINE = /^0\d{2,3}-?\d{7,8}(?:-\d{1,6})?$/
const SOURCE_ID = /^[0-9A-Za-z._:-]{1,64}$/
const CODE = /^[0-9A-Za-z-]{1,64}$/
/** Any certificate: letters of every script and digits, as 军字第… exists. Exact rules follow from the certificate type. */
const CERTIFICATE = /^[\p{L}\p{N}.+()/-]{1,30}$/u

export const isMobile = (text: string): boolean => MOBILE.test(text)
export const isLandline = (text: string): boolean => LANDLINE.test(text)
export const isPhone = (text: string): boolean => MOBILE.test(text) || LANDLINE.test(text)
/** GB/T 37346 real-estate unit code, 28 characters; it has no check digit. */
export const isRealEstateUnit = (text: string): boolean => REAL_ESTATE_UNIT.test(text)
export const isDivision = (text: string): boolean => DIVISION.test(text)
export const isTown = (text: string): boolean => TOWN.test(text)
export const isCommunity = (text: string): boolean => COMMUNITY.test(text)
/** 12-digit community code and 3 digits: the convention of this project, not a national standard. */
export const isGrid = (text: string): boolean => GRID.test(text)

const ID_RUN = /(?<!\d)\d{17}[\dXx](?!\d)/g
const MOBILE_RUN = /(?<!\d)1[3-9]\d{9}(?!\d)/

/** True where a text holds a valid citizen number or a mobile number, alone or between other characters. */
export function holdsPersonalNumber(text: string): boolean {
  if (text.length < 11) return false
  if (MOBILE_RUN.test(text)) return true
  return (text.match(ID_RUN) ?? []).some((run) => isCitizenNumber(run.toUpperCase()))
}

/** Numbers of people who cannot be: a county that was never assigned, births from 1900 to 1905, and the range 1990 of telephone numbers. */
const MADE_UP_RUN = /(?<!\d)(?:510599\d{11}|\d{6}190[0-5]\d{7})[\dXx](?!\d)|(?<!\d)1990\d{7}(?!\d)/g

/** True where a text holds a number that may be a living person's. */
export function holdsTruePersonalNumber(text: string): boolean {
  return holdsPersonalNumber(text.replaceAll(MADE_UP_RUN, ''))
}

export interface Format {
  readonly check: (text: string) => boolean
  /** Quality rule that a failing value breaks. */
  readonly rule: string
  /** How map normalises a value: `exact` also drops spaces and zero-width characters inside, `upper` raises letters too. */
  readonly normalise: 'none' | 'exact' | 'upper' | 'phone'
}

/** The formats a dataset schema may name. */
export const formats = {
  date: { check: isDate, rule: 'DQ-005', normalise: 'none' },
  'gb-source-id': { check: (text) => SOURCE_ID.test(text), rule: 'DQ-005', normalise: 'none' },
  'gb-code': { check: (text) => CODE.test(text), rule: 'DQ-005', normalise: 'exact' },
  'cn-certificate': { check: (text) => CERTIFICATE.test(text), rule: 'DQ-010', normalise: 'upper' },
  'cn-id18': { check: isCitizenNumber, rule: 'DQ-013', normalise: 'upper' },
  'cn-uscc': { check: isCreditCode, rule: 'DQ-020', normalise: 'upper' },
  'cn-organisation': { check: isOrganisationCode, rule: 'DQ-020', normalise: 'upper' },
  'cn-realestate28': { check: isRealEstateUnit, rule: 'DQ-005', normalise: 'upper' },
  'cn-division6': { check: isDivision, rule: 'DQ-030', normalise: 'exact' },
  'cn-town9': { check: isTown, rule: 'DQ-030', normalise: 'exact' },
  'cn-community12': { check: isCommunity, rule: 'DQ-030', normalise: 'exact' },
  'cn-grid15': { check: isGrid, rule: 'DQ-030', normalise: 'exact' },
  'cn-phone': { check: isPhone, rule: 'DQ-050', normalise: 'phone' },
} as const satisfies Record<string, Format>

const formatsByName: ReadonlyMap<unknown, Format> = new Map(Object.entries(formats))

/** The format of this name, or null. */
export function findFormat(name: unknown): Format | null {
  return formatsByName.get(name) ?? null
}
