import { dimensionOf } from './rules.ts'

/** What the runs of some feeds counted. */
export interface QualityCounts {
  /** Rows received. */
  readonly pulled: number
  /** Rows that named a record which the same run had read already; those that a rule refused for it are among them. */
  readonly duplicates: number
  /** Rows that each quality rule rejected or warned of. */
  readonly rules: Readonly<Record<string, number>>
  /** Active feeds, and those of them that succeeded within the cycle that the catalogue promises. */
  readonly activeFeeds: number
  readonly freshFeeds: number
}

/** Ratios from 0 to 1, 1 is best; null where nothing was counted. */
export interface QualityScores {
  readonly received: number
  readonly completeness: number | null
  readonly accuracy: number | null
  readonly consistency: number | null
  readonly uniqueness: number | null
  readonly timeliness: number | null
  readonly validity: number | null
}

/** Four decimals: one row of ten thousand. */
const round = (ratio: number): number => Math.round(ratio * 10_000) / 10_000

const share = (good: number, all: number): number | null => (all === 0 ? null : round(Math.max(0, good) / all))

/**
 * The six dimensions of data quality (数据质量六性, GB/T 36344-2018), each as a share of the rows received:
 * completeness 完整性: rows that lack no required field and no grid; accuracy 准确性: rows whose numbers, check digits, dates of birth
 * and coordinates can be true; consistency 一致性: rows whose fields do not contradict each other; uniqueness 唯一性: rows that repeat no
 * record of the same run; validity 规范性: rows whose values keep to type, form and code table. Timeliness 时效性 is the share of active
 * feeds that succeeded within their update cycle. Which rule measures what is in the table of quality rules.
 */
export function scoreQuality({ pulled, duplicates, rules, activeFeeds, freshFeeds }: QualityCounts): QualityScores {
  const faults = { completeness: 0, accuracy: 0, consistency: 0, uniqueness: 0, validity: 0 }
  for (const [rule, rows] of Object.entries(rules)) faults[dimensionOf(rule)] += rows
  return {
    received: pulled,
    completeness: share(pulled - faults.completeness, pulled),
    accuracy: share(pulled - faults.accuracy, pulled),
    consistency: share(pulled - faults.consistency, pulled),
    uniqueness: share(pulled - duplicates, pulled),
    timeliness: share(freshFeeds, activeFeeds),
    validity: share(pulled - faults.validity, pulled),
  }
}

/** The counts of several datasets as those of one. */
export function addQualityCounts(counts: readonly QualityCounts[]): QualityCounts {
  const rules: Record<string, number> = {}
  for (const [rule, rows] of counts.flatMap((one) => Object.entries(one.rules))) rules[rule] = (rules[rule] ?? 0) + rows
  const sum = (of: (one: QualityCounts) => number): number => counts.reduce((total, one) => total + of(one), 0)
  return {
    pulled: sum(({ pulled }) => pulled),
    duplicates: sum(({ duplicates }) => duplicates),
    rules,
    activeFeeds: sum(({ activeFeeds }) => activeFeeds),
    freshFeeds: sum(({ freshFeeds }) => freshFeeds),
  }
}
