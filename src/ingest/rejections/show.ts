import type { Dataset, Property } from '../../feeds/datasets.ts'
import { holdsPersonalNumber } from '../../feeds/formats.ts'
import { RECORD_ID } from '../../feeds/manifest-rules.ts'
import { HIDDEN, maskValue } from '../../feeds/mask-rules.ts'
import { adviceOf, type RuleAdvice } from '../../feeds/rules.ts'
import type { Fields, Reason } from '../../record.ts'
import type { KeyRing } from '../../security/key-ring.ts'
import type { Feed } from '../../store/feeds.ts'
import type { StoredRejection } from '../../store/rejections.ts'
import { compileMapping } from '../map.ts'
import { openRejection, unsettledSubject } from '../protect.ts'

/** One thing wrong with a refused row, for the person who can correct it. */
export interface ShownReason extends RuleAdvice {
  readonly rule: string
  /** A property of the dataset; null where the row as a whole is wrong. */
  readonly field: string | null
}

/** A refused row as its own department may see it. */
export interface ShownRejection {
  readonly rejectionId: number
  readonly runId: number
  /** Place in the run: page and row within it, both from 0. */
  readonly page: number
  readonly row: number
  /** Ends of the source record id; null where the row has none that may be shown. */
  readonly recordId: string | null
  readonly rejectedAt: Date
  /** How often it was sent again and refused again. */
  readonly attempts: number
  readonly reasons: readonly ShownReason[]
  /** By property, under the strictest mask; what could not be read or masked is hidden whole. */
  readonly fields: Fields
}

/** A refused row as it is shown, and the token of the person that its record would name; null: of nobody. */
export interface NamedRejection {
  readonly shown: ShownRejection
  readonly subject: string | null
}

/** The reasons with what they mean and what to do. */
export function explainReasons(reasons: readonly Reason[]): readonly ShownReason[] {
  return reasons.map(({ rule, field }) => ({ rule, field, ...adviceOf(rule) }))
}

/** Nobody knows whether the person of a broken row is a child, so the strictest of the masks holds. */
function maskBroken(property: Property, value: unknown, isFaulty: boolean, token: (value: string) => string): unknown {
  const mask = property.individualMask ?? property.minorMask ?? property.mask
  if (mask === 'SUPPRESS') return undefined
  // A value that stands in a field where it does not belong may be anything.
  if (mask === 'NONE' && isFaulty) return HIDDEN
  const masked = mask === 'NONE' ? value : maskValue(mask, value, { token })
  if (typeof masked !== 'string' && typeof masked !== 'number' && typeof masked !== 'boolean') return HIDDEN
  return holdsPersonalNumber(String(masked)) ? HIDDEN : masked
}

/** Longer ids keep two characters at each end, which is enough to find the row and too little to be a number of a person. */
const LEAST_ID = 8

function shownId(id: unknown): string | null {
  if (typeof id !== 'string' || holdsPersonalNumber(id)) return null
  const points = Array.from(id)
  if (points.length < LEAST_ID) return `${points.slice(0, 1).join('')}***`
  return `${points.slice(0, 2).join('')}***${points.slice(-2).join('')}`
}

/**
 * How the refused rows of a feed are shown to its department: opened, mapped as far as they go and masked. The clear row does
 * not leave this function.
 */
export function createRejectionView(
  feed: Feed,
  dataset: Dataset,
  keys: KeyRing,
): (stored: StoredRejection) => NamedRejection {
  const mapRow = compileMapping(feed.manifest, dataset)
  const token = (value: string): string => keys.token('display', value)
  return (stored) => {
    const { fields } = mapRow({ row: stored.row, value: openRejection(stored, { feed: feed.code, keys }) })
    const faulty = new Set(stored.reasons.map(({ field }) => field))
    const shown = dataset.properties.flatMap((property) => {
      const value = fields[property.name]
      if (value === undefined || value === null || property.name === RECORD_ID) return []
      const masked = maskBroken(property, value, faulty.has(property.name), token)
      return masked === undefined ? [] : [[property.name, masked] as const]
    })
    const { rejectionId, runId, page, row, rejectedAt, attempts, reasons } = stored
    const rejection = {
      rejectionId,
      runId,
      page,
      row,
      recordId: shownId(fields[RECORD_ID]),
      rejectedAt,
      attempts,
      reasons: explainReasons(reasons),
      fields: Object.fromEntries(shown),
    }
    return { shown: rejection, subject: unsettledSubject(fields, { dataset, keys }) }
  }
}
