import { auditEvents, type AuditEventType } from './events.ts'
import type { OversightCode } from './oversight-texts.ts'

/** A number of a rule that an installation may set within bounds. */
export interface Threshold {
  readonly standard: number
  readonly least: number
  readonly most: number
  readonly en: string
  readonly zh: string
}

/** What the log says of somebody, or of something that somebody did, in one window. */
export interface Figure {
  /** `consumer/<name>`, `account/<name>` or `client/unknown`, and what it was about behind it. */
  readonly about: string
  readonly count: number
  /** The median of the same of earlier days; null where there were none, or the rule does not compare. */
  readonly usual: number | null
}

/** When a window began, in the time of the jurisdiction. */
export interface Moment {
  /** 0 to 23. */
  readonly hour: number
  readonly isWorkingDay: boolean
}

export type Limits = Readonly<Record<string, number>>

export interface OversightRule {
  /** The figures are of so many minutes … */
  readonly windowMinutes: number
  /** … and are looked at anew after so many, so that a burst is seen wherever it begins. */
  readonly stepMinutes: number
  readonly thresholds: Readonly<Record<string, Threshold>>
  /** Whether the figure asks for a person. Pure. */
  isFinding(figure: Figure, limits: Limits, moment: Moment): boolean
}

/** The judgement knows the thresholds of its own rule by their names. */
const defineRule = <Name extends string>(
  rule: Omit<OversightRule, 'thresholds' | 'isFinding'> & {
    readonly thresholds: Readonly<Record<Name, Threshold>>
    readonly isFinding: (figure: Figure, limits: Readonly<Record<Name, number>>, moment: Moment) => boolean
  },
): OversightRule => rule

const DAY = 24 * 60

const times = (standard: number, least: number, most: number): Threshold => ({
  standard,
  least,
  most,
  en: 'how often at least',
  zh: '至少次数',
})
const records = (standard: number): Threshold => ({
  standard,
  least: 1,
  most: 100_000_000,
  en: 'records at least',
  zh: '至少记录数',
})
const hour = (standard: number, en: string, zh: string): Threshold => ({ standard, least: 0, most: 24, en, zh })

/**
 * What the security office is told of without asking. A rule is a row here, its words in oversight-texts.ts and its figures in
 * src/store/oversight-figures.ts. No law sets these numbers: they are where a small city's usual day ends, and may be set.
 */
export const oversightRules: Readonly<Record<OversightCode, OversightRule>> = {
  'denials-burst': defineRule({
    windowMinutes: 10,
    stepMinutes: 1,
    thresholds: { count: times(20, 3, 10_000) },
    isFinding: ({ count }, limits) => count >= limits.count,
  }),
  'off-hours': defineRule({
    windowMinutes: 60,
    stepMinutes: 60,
    thresholds: {
      count: times(5, 1, 10_000),
      fromHour: hour(8, 'first hour of the working day', '上班时刻（时）'),
      toHour: hour(18, 'hour at which the working day is over', '下班时刻（时）'),
    },
    isFinding: ({ count }, limits, moment) =>
      count >= limits.count && !(moment.isWorkingDay && moment.hour >= limits.fromHour && moment.hour < limits.toHour),
  }),
  'volume-unusual': defineRule({
    windowMinutes: DAY,
    stepMinutes: 60,
    thresholds: {
      factor: { standard: 5, least: 2, most: 1000, en: 'times the usual day', zh: '平日的倍数' },
      records: records(10_000),
      days: { standard: 14, least: 3, most: 90, en: 'earlier days that are compared', zh: '对比的既往天数' },
    },
    // Nobody has a usual day at first: then the floor alone decides, and a first load is told of once.
    isFinding: ({ count, usual }, limits) => count >= limits.records && count > limits.factor * (usual ?? 0),
  }),
  'person-repeated': defineRule({
    windowMinutes: 7 * DAY,
    stepMinutes: 60,
    thresholds: { count: times(5, 2, 1000) },
    isFinding: ({ count }, limits) => count >= limits.count,
  }),
  'agreement-ended': defineRule({
    windowMinutes: DAY,
    stepMinutes: 15,
    thresholds: { count: times(3, 1, 10_000) },
    isFinding: ({ count }, limits) => count >= limits.count,
  }),
  'export-large': defineRule({
    windowMinutes: DAY,
    stepMinutes: 15,
    thresholds: { records: records(100_000) },
    isFinding: ({ count }, limits) => count >= limits.records,
  }),
}

/** After these personal information leaves by machine, at the hours of a timetable. */
const bulk: ReadonlySet<string> = new Set([
  'changes.pulled',
  'snapshot.pulled',
  'delivery.sent',
  'verifications.sent',
  'export.part-made',
] satisfies readonly AuditEventType[])

const personal = Object.entries(auditEvents).flatMap(([type, entry]) => (entry.personal ? [type] : []))

/** Events after which somebody sees single people: whatever is marked as personal and is not bulk, so that a new one is counted by itself. */
export const lookUps: readonly string[] = personal.filter((type) => !bulk.has(type))

/** Events after which records leave to whoever asked for them. */
export const takings: readonly string[] = personal.filter(
  (type) => !['delivery.sent', 'verifications.sent', 'export.part-made'].includes(type),
)

/** The thresholds of a rule: what the installation set, the standard for the rest. */
export const limitsOf = ({ thresholds }: Pick<OversightRule, 'thresholds'>, set: Limits): Limits =>
  Object.fromEntries(Object.entries(thresholds).map(([name, { standard }]) => [name, set[name] ?? standard]))

/** The first given number that the rule has no threshold for or that is out of bounds, and what is wanted; null where all are good. */
export function faultInLimits({ thresholds }: Pick<OversightRule, 'thresholds'>, given: Limits): string | null {
  for (const [name, value] of Object.entries(given)) {
    const threshold = Object.hasOwn(thresholds, name) ? thresholds[name] : undefined
    if (threshold === undefined) return `there is no such threshold; give ${Object.keys(thresholds).join(', ')}`
    const { least, most } = threshold
    if (!Number.isInteger(value) || value < least || value > most)
      return `${name}: give a whole number from ${least} to ${most}`
  }
  return null
}
