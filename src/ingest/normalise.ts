import { holdsDeniedText } from '../feeds/deny-list.ts'
import { folds, unify, type Fold } from '../feeds/folds.ts'
import { findFormat } from '../feeds/formats.ts'
import type { Property } from '../feeds/datasets.ts'
import type { Reason } from '../record.ts'
import { scrubText } from './scrub.ts'

/** What mapping one row brought to light. Local to that row. */
export interface Findings {
  readonly warnings: string[]
  readonly faults: Reason[]
}

export const noFindings = (): Findings => ({ warnings: [], faults: [] })

/** True where nothing came to light. */
export const isQuiet = ({ warnings, faults }: Findings): boolean => warnings.length === 0 && faults.length === 0

export function warn(findings: Findings, rule: string): void {
  if (!findings.warnings.includes(rule)) findings.warnings.push(rule)
}

export function addFindings(findings: Findings, own: Findings): void {
  for (const rule of own.warnings) warn(findings, rule)
  findings.faults.push(...own.faults)
}

/** A given value as that of a property; undefined where it is none. What it brings to light is added to the findings. */
export type ReadValue = (given: unknown, findings: Findings) => unknown

/** Texts that stand for nothing (DQ-001), none longer than four characters. */
const PLACEHOLDERS = new Set(['无', '不详', '未知', 'null', 'NULL', '-', '/'])
export const LONGEST_PLACEHOLDER = 4
/** By code unit, whether one begins with it. Every name is asked, and the set alone takes five times as long. */
const placeholderStarts = new Uint8Array(2 ** 16)
for (const text of PLACEHOLDERS) placeholderStarts[text.charCodeAt(0)] = 1
const DATE_PLACEHOLDERS = new Set(['0000-00-00', '1900-01-01', '3000-01-01', '9999-12-31'])

/** Outside printable ASCII without the space and the common Han characters something may need care; inside nothing does. */
const UNCOMMON = /[^\u0021-\u007e\u4e00-\u9fff]/
/** The same, but the middle dot and Chinese punctuation mean no care where nothing is folded. */
const UNCOMMON_IN_NAME = /[^\u0021-\u007e\u00b7\u3001-\u3011\u4e00-\u9fff\uff01-\uff5e]/
/** The same as the first, and what `folds` below changes. */
const UNCOMMON_OR_QUOTE = /[^\u0021-\u0026\u0028-\u007e\u4e00-\u9fff]/
const UNCOMMON_QUOTE_OR_LOWER = /[^\u0021-\u0026\u0028-\u0060\u007b-\u007e\u4e00-\u9fff]/
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/
// oxlint-disable-next-line no-control-regex -- as above, but free text may hold tabs and line ends
const CONTROL_IN_TEXT = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/
const UNDECODABLE = '\ufffd'
const PRIVATE_USE = /[\ue000-\uf8ff]|[\u{f0000}-\u{10ffff}]/u
/** A pattern that finds something is dearer than one that finds nothing: V8 notes where. */
const UNUSUAL_PHONE = /^(?!1[3-9]\d{9}$)/

/** Finds nothing in texts that normalising leaves as they are unless they are placeholders: nine of ten values. */
const uncommons: Readonly<Record<Fold, RegExp>> = {
  none: UNCOMMON_IN_NAME,
  exact: UNCOMMON_OR_QUOTE,
  upper: UNCOMMON_QUOTE_OR_LOWER,
  phone: UNUSUAL_PHONE,
}

const foldOf = (property: Property): Fold => findFormat(property.format)?.normalise ?? 'none'

/**
 * Finds something in every text of the property that may need normalising, placeholders apart; null where each does, as
 * free text.
 */
export function uncommonOf(property: Property): RegExp | null {
  return property.text ? null : uncommons[foldOf(property)]
}

/** The rule that the characters of an uncommon text break, or null. */
function characterFault(raw: string, unified: string, isFreeText: boolean): string | null {
  if (unified === '' || !raw.isWellFormed()) return 'DQ-004'
  if ((isFreeText ? CONTROL_IN_TEXT : CONTROL).test(unified)) return 'DQ-004'
  return unified.includes(UNDECODABLE) ? 'DQ-092' : null
}

/** An uncommon text made plain, or null where its characters cannot rest; the reason is then among the faults. */
function unifyUncommon(raw: string, property: Property, fold: Fold, findings: Findings): string | null {
  const unified = unify(raw, fold)
  const rule = characterFault(raw, unified, property.text)
  if (rule !== null) {
    findings.faults.push({ rule, field: property.name })
    return null
  }
  if (PRIVATE_USE.test(unified)) warn(findings, 'DQ-092')
  return unified
}

/** True for a day that stands for none (DQ-001). */
export const isDatePlaceholder = (value: string): boolean => DATE_PLACEHOLDERS.has(value)

function isPlaceholder(value: string, isDate: boolean): boolean {
  if (value.length <= LONGEST_PLACEHOLDER) {
    return placeholderStarts[value.charCodeAt(0)] === 1 && PLACEHOLDERS.has(value)
  }
  return isDate && isDatePlaceholder(value)
}

function cleanFreeText(value: string, findings: Findings): string | undefined {
  if (holdsDeniedText(value)) {
    warn(findings, 'DQ-091')
    return undefined
  }
  const scrubbed = scrubText(value)
  if (scrubbed !== value) warn(findings, 'DQ-090')
  return scrubbed
}

/**
 * How values of one property are normalised, chosen once from its format: text in, text out, undefined for nothing.
 * A text with characters that cannot rest (DQ-004, DQ-092) becomes a fault of the row.
 */
export function createNormaliser(property: Property): (raw: string, findings: Findings) => string | undefined {
  const fold = foldOf(property)
  const finish = folds[fold]
  const uncommon = uncommonOf(property)
  const isDate = property.format === 'date'
  return (raw, findings) => {
    if (raw === '') return undefined
    if (uncommon?.test(raw) === false && !isPlaceholder(raw, isDate)) return raw
    const plain = UNCOMMON.test(raw) ? unifyUncommon(raw, property, fold, findings) : raw
    if (plain === null) return undefined
    if (isPlaceholder(plain, isDate)) {
      warn(findings, 'DQ-001')
      return undefined
    }
    return property.text ? cleanFreeText(plain, findings) : finish(plain)
  }
}
