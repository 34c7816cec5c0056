/**
 * The mask rules by id. Each works on Unicode code points, leaves an already masked text as it is (TOKEN excepted: a
 * token of a token is another token) and hides everything where it does not know the form.
 */

/** What a rule may need beside the value: the keyed token function of the purpose. */
export interface MaskContext {
  readonly token: (value: string) => string
}

/** Null removes the field. */
export type MaskRule = (value: string, context: MaskContext) => string | null

/** What stands where a form is not known: of fixed length, so that not even the length shows. */
export const HIDDEN = '****'

const COMPOUND_SURNAMES = new Set(
  (
    '欧阳 上官 司马 诸葛 东方 皇甫 尉迟 公孙 令狐 慕容 司徒 夏侯 宇文 长孙 公羊 端木 南宫 西门 独孤 闻人 ' +
    '申屠 太史 呼延 澹台 濮阳 淳于 单于 钟离 轩辕 鲜于 拓跋 百里 东郭 万俟 赫连 公冶 宗政 太叔 仲孙 第五 司空'
  ).split(' '),
)
const HAS_SURROGATE = /[\ud800-\udfff]/
const LATIN_START = /^[A-Za-z\u00c0-\u024f]/
const WHITE = /\s+/

function pointsOf(value: string): string | readonly string[] {
  return HAS_SURROGATE.test(value) ? Array.from(value) : value
}

function joined(points: string | readonly string[], start: number, end: number): string {
  return typeof points === 'string' ? points.slice(start, end) : points.slice(start, end).join('')
}

/** Keeps `head` and `tail` code points; the rest becomes one `*` each. */
function keepEnds(value: string, head: number, tail: number): string {
  const points = pointsOf(value)
  const hidden = Math.max(points.length - head - tail, 0)
  return joined(points, 0, head) + '*'.repeat(hidden) + joined(points, points.length - tail, points.length)
}

function maskLatinName(value: string): string {
  const parts = value.split(WHITE).filter((part) => part !== '')
  return parts.map((part) => `${joined(pointsOf(part), 0, 1)}***`).join(' ') || HIDDEN
}

/** A two-character name that is itself a compound surname is read as surname and given name, so something stays hidden. */
function maskSurname(value: string): string {
  if (LATIN_START.test(value)) return maskLatinName(value)
  const { length } = pointsOf(value)
  if (length <= 1) return '*'
  return keepEnds(value, length > 2 && COMPOUND_SURNAMES.has(value.slice(0, 2)) ? 2 : 1, 0)
}

function maskMiddle(value: string): string {
  if (LATIN_START.test(value)) return maskLatinName(value)
  const { length } = pointsOf(value)
  if (length <= 1) return '*'
  return keepEnds(value, 1, length === 2 ? 0 : 1)
}

/** One accepted form of a number: how many characters stay at each end. `*` in a pattern is what an earlier mask left. */
interface NumberForm {
  readonly form: RegExp
  readonly head: number
  readonly tail: number
}

const passport: readonly NumberForm[] = [
  { form: /^[0-9A-Z]{2}[0-9A-Z*]{3,26}[0-9A-Z]{2}$/, head: 2, tail: 2 },
  { form: /^[0-9A-Z][0-9A-Z*]{1,28}$/, head: 1, tail: 0 },
]
const EIGHTEEN = /^[1-9]\d{5}(?:\d{8}|\*{8})\d{3}[\dXx]$/
const certificate = (head: number, tail: number): readonly NumberForm[] => [
  { form: EIGHTEEN, head, tail },
  { form: /^\d{6}(?:\d{6}|\*{6})\d{3}$/, head: Math.min(head, 6), tail: Math.min(tail, 3) },
  { form: /^[A-Z]{3}(?:\d{8}|\*{8})\d{4}$/, head: Math.min(head, 3), tail },
  ...passport,
]

const forms = {
  ID_6_4: certificate(6, 4),
  ID_4_4: [{ form: /^[1-9]\d{3}[\d*]{10}\d{3}[\dXx]$/, head: 4, tail: 4 }],
  ID_1_1: [{ form: /^[1-9][\d*]{16}[\dXx]$/, head: 1, tail: 1 }],
  ID15_6_3: [{ form: /^\d{6}[\d*]{6}\d{3}$/, head: 6, tail: 3 }],
  FPR_ID: certificate(6, 4).filter((entry) => !passport.includes(entry)),
  PASSPORT: passport,
  MOBILE: [{ form: /^1[3-9]\d(?:\d{4}|\*{4})\d{4}$/, head: 3, tail: 4 }],
  PARCEL: [{ form: /^\d{12}[A-Z]{2}\d{5}(?:[A-Z]\d{8}|\*{9})$/, head: 19, tail: 0 }],
  BANK_LAST4: [{ form: /^[\d*]{12,15}\d{4}$/, head: 0, tail: 4 }],
  PLATE: [{ form: /^\p{Script=Han}[A-Z][0-9A-Z][0-9A-Z*]{3,4}[0-9A-Z挂学警港澳]$/u, head: 3, tail: 1 }],
} satisfies Record<string, readonly NumberForm[]>

function maskNumber(value: string, accepted: readonly NumberForm[]): string {
  for (const { form, head, tail } of accepted) {
    if (form.test(value)) return keepEnds(value, head, tail)
  }
  return HIDDEN
}

const LANDLINE = /^(0(?:10|2\d|[3-9]\d{2}))-?(\d{5,6}|\*{5,6})(\d{2})(?:-\d{1,6})?$/

/** Keeps the area code and the last two digits; an extension is hidden with the rest. */
function maskLandline(value: string): string {
  const match = LANDLINE.exec(value)
  if (match === null) return HIDDEN
  const [, area, hidden = '', tail] = match
  return `${area}-${'*'.repeat(hidden.length)}${tail}`
}

const EMAIL = /^([^@\s])[^@\s]{0,63}@([A-Za-z0-9.-]{1,190})$/

function maskEmail(value: string): string {
  const match = EMAIL.exec(value)
  return match === null ? HIDDEN : `${match[1]}***@${match[2]}`
}

const COMMUNITY_END = /社区|居民委员会|居委会|村民委员会|村委会|村/
const COMPOUND_END = /小区|花园|家园|公寓|院落|大院|苑|院/
const TOWN_END = /街道|镇|乡/
const INNER_PART = /栋|幢|单元|室|号楼/
const DIGIT = /\p{Nd}/gu

/** A street number has few digits; more of them before the cut may be a number of a person, so nothing is kept. */
const ADDRESS_DIGITS = 6

/** The text up to the first end mark and HIDDEN, or null where no end mark is found or a house part comes before it. */
function cutAddress(value: string, end: RegExp): string | null {
  const match = end.exec(value)
  if (match === null) return null
  const kept = value.slice(0, match.index + match[0].length)
  if (INNER_PART.test(kept) || (kept.match(DIGIT)?.length ?? 0) > ADDRESS_DIGITS) return null
  return kept + HIDDEN
}

function maskAddress(...ends: readonly RegExp[]): MaskRule {
  return (value) => {
    for (const end of ends) {
      const cut = cutAddress(value, end)
      if (cut !== null) return cut
    }
    return HIDDEN
  }
}

const DATE = /^(\d{4})-(\d{2}|\*{2})-(\d{2}|\*{2})$/
const BAND = /^\d{4}-\d{4}$/
const BAND_YEARS = 5

function maskBirth(value: string, kept: (year: string, month: string) => string): string {
  const match = DATE.exec(value)
  return match === null ? HIDDEN : kept(match[1] ?? '', match[2] ?? '')
}

function bandOf(year: string): string {
  const start = Math.floor(Number(year) / BAND_YEARS) * BAND_YEARS
  return `${String(start).padStart(4, '0')}-${String(start + BAND_YEARS - 1).padStart(4, '0')}`
}

/** Five-year band of birth, `1990-1994`: hides as much as an age band and does not grow stale at rest. */
function maskBirthBand(value: string): string {
  if (BAND.test(value)) return bandOf(value.slice(0, 4)) === value ? value : HIDDEN
  return maskBirth(value, bandOf)
}

function maskEmployer(value: string): string {
  const { length } = pointsOf(value)
  if (length <= 1) return '*'
  return length <= 4 ? keepEnds(value, 1, 0) : keepEnds(value, 2, 2)
}

/** Rule table. NONE and GEO_3 also take values that are no text: see `maskValue`. */
export const maskRules = {
  NONE: (value) => value,
  SUPPRESS: () => null,
  TOKEN: (value, context) => context.token(value),
  NAME_SURNAME: maskSurname,
  NAME_MIDDLE: maskMiddle,
  NAME_LATIN: maskLatinName,
  ID_6_4: (value) => maskNumber(value, forms.ID_6_4),
  ID_4_4: (value) => maskNumber(value, forms.ID_4_4),
  ID_1_1: (value) => maskNumber(value, forms.ID_1_1),
  ID15_6_3: (value) => maskNumber(value, forms.ID15_6_3),
  FPR_ID: (value) => maskNumber(value, forms.FPR_ID),
  PASSPORT: (value) => maskNumber(value, forms.PASSPORT),
  PHONE_3_4: (value) => (value.startsWith('0') ? maskLandline(value) : maskNumber(value, forms.MOBILE)),
  LANDLINE: maskLandline,
  EMAIL: maskEmail,
  ADDR_COMPOUND: maskAddress(COMPOUND_END, COMMUNITY_END),
  ADDR_COMMUNITY: maskAddress(COMMUNITY_END),
  ADDR_TOWN: maskAddress(TOWN_END),
  BIRTH_YEAR: (value) => maskBirth(value, (year) => `${year}-**-**`),
  BIRTH_MONTH: (value) => maskBirth(value, (year, month) => `${year}-${month}-**`),
  BIRTH_BAND: maskBirthBand,
  ORG_PARTIAL: maskEmployer,
  PARCEL: (value) => maskNumber(value, forms.PARCEL),
  BANK_LAST4: (value) => maskNumber(value, forms.BANK_LAST4),
  PLATE: (value) => maskNumber(value, forms.PLATE),
  GEO_3: () => null,
} as const satisfies Record<string, MaskRule>

export type MaskId = keyof typeof maskRules

export const isMaskId = (id: unknown): id is MaskId => typeof id === 'string' && Object.hasOwn(maskRules, id)

/** Three decimals of a degree are about 100 m. */
const GEO_SCALE = 1000

/**
 * One value under one rule. Null means the field is left out. A value of a kind that the rule does not know is left out
 * too: deny by default.
 */
export function maskValue(id: MaskId, value: unknown, context: MaskContext): unknown {
  if (id === 'NONE') return value
  if (id === 'GEO_3') return typeof value === 'number' ? Math.round(value * GEO_SCALE) / GEO_SCALE : null
  if (value === '') return value
  return typeof value === 'string' ? maskRules[id](value, context) : null
}

/** Birth forms that let an ID masked 6+4 be recovered: the full date gives it, a year leaves about 33 candidates. */
const RECOVERING_BIRTH: ReadonlySet<string> = new Set(['NONE', 'BIRTH_YEAR', 'BIRTH_MONTH'])
const PARTLY_HIDDEN: ReadonlySet<string> = new Set(['ID_6_4', 'ID_4_4', 'FPR_ID', 'ID15_6_3'])

/** True where a birth date in this form gives away what a certificate number in that form hides. */
export function isRecoverable(numberMask: string, birthMask: string): boolean {
  return PARTLY_HIDDEN.has(numberMask) && RECOVERING_BIRTH.has(birthMask)
}
