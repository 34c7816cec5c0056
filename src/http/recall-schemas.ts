import { Type, type Static } from 'typebox'
import type { RecallMove } from '../sharing/recalls.ts'
import type { Withdrawal } from '../record.ts'
import type { RecallNotice } from '../store/recall-notices.ts'
import { recallStates, type Recall, type RecallState } from '../store/recalls.ts'

const textOrNull = (description: string) => Type.Union([Type.String(), Type.Null()], { description })
const numberOrNull = (description: string) => Type.Union([Type.Integer(), Type.Null()], { description })
const kinds: Withdrawal[] = ['recall', 'erasure']
const kindWords = 'recall 召回: the records are taken back; erasure 删除: they are also kept out until that is lifted'
const time = (date: Date | null): string | null => date?.toISOString() ?? null

const MOST_RECORDS = 1000

export const RecallBody = Type.Object(
  {
    runId: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'What a run brought and is as it was',
      }),
    ),
    batchNo: Type.Optional(
      Type.String({ pattern: '^[A-Za-z0-9._-]{1,64}$', description: 'What a posted batch brought and is as it was' }),
    ),
    recordIds: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 256 }), {
        minItems: 1,
        maxItems: MOST_RECORDS,
        description: 'Record ids at the source',
      }),
    ),
    kind: Type.Enum(kinds, { description: kindWords }),
    reason: Type.String({ minLength: 1, maxLength: 500, description: 'Why; consumers are told' }),
  },
  { additionalProperties: false, title: 'NewRecall' },
)

export const RecallMoveBody = Type.Object(
  {
    action: Type.Enum(['approve', 'refuse', 'lift'] as RecallMove[], {
      description: 'approve 批准 and refuse 驳回: a second person; lift 解除: erased records may come in again',
    }),
    reason: Type.Optional(
      Type.Union([Type.Null(), Type.String({ minLength: 1, maxLength: 500 })], {
        description: 'Wanted to refuse and to lift',
      }),
    ),
  },
  { additionalProperties: false, title: 'RecallMove' },
)

const Receipt = Type.Object({
  consumer: Type.String({ description: 'Consumer that was told' }),
  records: Type.Integer({ description: 'Records that it may have received' }),
  acknowledgedAt: textOrNull('When it acknowledged; null while it has not'),
  removed: numberOrNull('Records that it says it removed'),
  receipt: textOrNull('Its receipt, in its own words'),
  digest: textOrNull('SHA-256 of the receipt, as the audit log has it'),
  overdue: Type.Boolean({ description: 'Whether it acknowledged late, or is late' }),
})

export const RecallView = Type.Object(
  {
    recallId: Type.Integer({ description: 'Number of the recall' }),
    feed: Type.String({ description: 'Feed of the records' }),
    dataset: Type.String({ description: 'Dataset that the feed fills' }),
    kind: Type.Enum(kinds, { description: kindWords }),
    runId: numberOrNull('Run that is withdrawn'),
    batchNo: textOrNull('Posted batch that is withdrawn'),
    reason: Type.String({ description: 'Why' }),
    state: Type.Enum([...recallStates] as RecallState[], {
      description: 'asked: waits for a second person; approved: is being carried out; done: consumers acknowledge',
    }),
    askedFor: Type.Integer({ description: 'Records that it was about when it was asked for' }),
    needsApproval: Type.Boolean({ description: 'Whether a second person has to approve' }),
    askedBy: Type.String({ description: 'Account that asked' }),
    askedAt: Type.String({ description: 'When' }),
    answeredBy: textOrNull('Second person'),
    answeredAt: textOrNull('When the second person answered'),
    answerReason: textOrNull('Why it was refused'),
    removed: Type.Integer({ description: 'Records withdrawn so far' }),
    doneAt: textOrNull('When the last was withdrawn'),
    dueAt: textOrNull('Until when consumers acknowledge, in working days'),
    dueAssumed: Type.Boolean({ description: 'true: a year of the term has no calendar yet' }),
    liftedAt: textOrNull('When the erasure was lifted'),
    receipts: Type.Array(Receipt, { description: 'What each consumer was told, and what it answered' }),
  },
  { title: 'Recall' },
)

const isLate = ({ dueAt, acknowledgedAt }: RecallNotice): boolean => (acknowledgedAt ?? new Date()) > dueAt

const viewReceipt = (notice: RecallNotice): Static<typeof Receipt> => ({
  consumer: notice.consumer,
  records: notice.records,
  acknowledgedAt: time(notice.acknowledgedAt),
  removed: notice.removed,
  receipt: notice.receipt,
  digest: notice.digest,
  overdue: isLate(notice),
})

/** `receipts` are those of a recall that is done. */
export const viewRecall = (recall: Recall, receipts: readonly RecallNotice[]): Static<typeof RecallView> => ({
  recallId: recall.recallId,
  feed: recall.feed,
  dataset: recall.dataset,
  kind: recall.kind,
  runId: recall.runId,
  batchNo: recall.batchNo,
  reason: recall.reason,
  state: recall.state,
  askedFor: recall.askedFor,
  needsApproval: recall.needsApproval,
  askedBy: recall.askedBy,
  askedAt: recall.askedAt.toISOString(),
  answeredBy: recall.answeredBy,
  answeredAt: time(recall.answeredAt),
  answerReason: recall.answerReason,
  removed: recall.removed,
  doneAt: time(recall.doneAt),
  dueAt: time(recall.dueAt),
  dueAssumed: recall.dueAssumed,
  liftedAt: time(recall.liftedAt),
  receipts: receipts.map(viewReceipt),
})

export const RecallNoticeView = Type.Object(
  {
    recallId: Type.Integer({ description: 'Number of the recall' }),
    feed: Type.String({ description: 'Feed of the records' }),
    dataset: Type.String({ description: 'Dataset of the feed; a person merged out of it is concerned as well' }),
    kind: Type.Enum(kinds, { description: kindWords }),
    reason: Type.String({ description: 'Why' }),
    records: Type.Integer({ description: 'Records that you may have received' }),
    issuedAt: Type.String({ description: 'When the last of them was withdrawn' }),
    dueAt: Type.String({ description: 'Until when you acknowledge, in working days' }),
    acknowledgedAt: textOrNull('When you acknowledged'),
    removed: numberOrNull('Records that you said you removed'),
    digest: textOrNull('SHA-256 of your receipt, as the audit log has it'),
    overdue: Type.Boolean({ description: 'Whether you acknowledged late, or are late' }),
  },
  { title: 'RecallNotice' },
)

export const viewRecallNotice = (notice: RecallNotice): Static<typeof RecallNoticeView> => ({
  recallId: notice.recallId,
  feed: notice.feed,
  dataset: notice.dataset,
  kind: notice.kind,
  reason: notice.reason,
  records: notice.records,
  issuedAt: notice.doneAt.toISOString(),
  dueAt: notice.dueAt.toISOString(),
  acknowledgedAt: time(notice.acknowledgedAt),
  removed: notice.removed,
  digest: notice.digest,
  overdue: isLate(notice),
})

export const AcknowledgementBody = Type.Object(
  {
    removed: Type.Integer({ minimum: 0, maximum: 2_147_483_647, description: 'Records that you removed' }),
    receipt: Type.String({
      minLength: 1,
      maxLength: 500,
      description: 'What proves it on your side: a number, a digest, a signature; nothing of a person',
    }),
  },
  { additionalProperties: false, title: 'RecallAcknowledgement' },
)
