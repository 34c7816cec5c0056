/**
 * What a consumer can say is wrong with a record. `needsField`: it is about one field; the others are about the record as a whole,
 * and may name a field that shows it.
 */
export const correctionKinds = {
  'wrong-value': { needsField: true, zh: '值有误', en: 'the value is wrong' },
  missing: { needsField: true, zh: '缺值', en: 'the value is missing' },
  duplicate: { needsField: false, zh: '重复记录', en: 'the record is there twice' },
  'not-this-person': { needsField: false, zh: '非本人', en: 'the record is of another person' },
  gone: { needsField: false, zh: '已不存在', en: 'what the record tells of is gone' },
} as const
export type CorrectionKind = keyof typeof correctionKinds

/** Where a correction stands: `open → accepted → source-fixed / rejected / cannot-find → synced → closed`. */
export const correctionStates = [
  'open',
  'accepted',
  'source-fixed',
  'rejected',
  'cannot-find',
  'synced',
  'closed',
] as const
export type CorrectionState = (typeof correctionStates)[number]

/** States in which the department still owes its answer, so that the clock runs. */
export const waitingStates: readonly CorrectionState[] = ['open', 'accepted']
/** States that say how the correction ended; its consumer closes it, or time does. */
export const settledStates: readonly CorrectionState[] = ['rejected', 'cannot-find', 'synced']

interface Answer {
  readonly from: CorrectionState
  readonly to: CorrectionState
  readonly needsReason: boolean
}

/** What a department may answer. */
export const correctionAnswers = {
  accept: { from: 'open', to: 'accepted', needsReason: false },
  fix: { from: 'accepted', to: 'source-fixed', needsReason: false },
  refuse: { from: 'accepted', to: 'rejected', needsReason: true },
  'cannot-find': { from: 'accepted', to: 'cannot-find', needsReason: true },
} as const satisfies Record<string, Answer>
export type CorrectionAnswer = keyof typeof correctionAnswers

/** What the consumer is told when a correction comes into a state; it knows of the first one by itself. */
export const noticeOfState = {
  accepted: 'correction.accepted',
  'source-fixed': 'correction.answered',
  rejected: 'correction.answered',
  'cannot-find': 'correction.answered',
  synced: 'correction.synced',
  closed: 'correction.closed',
} as const satisfies Record<Exclude<CorrectionState, 'open'>, string>
