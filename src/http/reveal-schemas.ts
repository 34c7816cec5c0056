import { Type, type Static } from 'typebox'
import type { ClearRecord, Look } from '../sharing/reveals.ts'
import type { Reveal, RevealApproval } from '../store/reveals.ts'

const textOrNull = (description: string) => Type.Union([Type.Null(), Type.String()], { description })
const time = (date: Date | null): string | null => date?.toISOString() ?? null

const MOST_RECORDS = 100

export const RevealBody = Type.Object(
  {
    dataset: Type.String({ pattern: '^[a-z]+(-[a-z]+)*$', maxLength: 60, description: 'Dataset of the records' }),
    records: Type.Array(
      Type.String({ pattern: '^[A-Z0-9][A-Z0-9-]{1,39}/[0-9A-Za-z._:-]{1,64}$', description: 'Id of a record' }),
      { minItems: 1, maxItems: MOST_RECORDS, uniqueItems: true, description: 'Records of feeds of the own department' },
    ),
    fields: Type.Array(Type.String({ pattern: '^[A-Za-z0-9]{1,60}$', description: 'A property that is hidden' }), {
      minItems: 1,
      maxItems: 60,
      uniqueItems: true,
      description: 'Only these are opened',
    }),
    caseNumber: Type.String({
      pattern: String.raw`^[\p{L}\p{N}][\p{L}\p{N}〔〕（）()\[\]_./-]{3,59}$`,
      description: 'Number of the case or the work order that needs it 案号/工单号',
    }),
    purpose: Type.String({ minLength: 1, maxLength: 60, description: 'Code of an item of the service list' }),
    reason: Type.String({ minLength: 6, maxLength: 200, description: 'Why, without numbers of persons' }),
    urgent: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          'Break-glass: one approval, an hour to use it, ten minutes at most; those responsible are alarmed at once',
      }),
    ),
    minutes: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 30,
        description: 'Minutes from the first look; as many as are allowed without it',
      }),
    ),
  },
  { title: 'NewReveal', additionalProperties: false },
)

export const RevealDecisionBody = Type.Object(
  {
    duty: Type.Enum(['data', 'security'], {
      description: 'data: for the department whose records they are; security: for the whole city',
    }),
    decision: Type.Enum(['approve', 'refuse'], { description: 'A refusal ends the request' }),
    reason: Type.Optional(
      Type.String({ minLength: 1, maxLength: 200, description: 'Why, without naming a person; wanted to refuse' }),
    ),
  },
  { title: 'RevealDecision', additionalProperties: false },
)

export const RevealReviewBody = Type.Object(
  {
    finding: Type.Enum(['ok', 'not-ok'], { description: 'Whether purpose, case and records were right' }),
    note: Type.String({ minLength: 10, maxLength: 1000, description: 'What was found, without naming a person' }),
  },
  { title: 'RevealReview', additionalProperties: false },
)

export const RevealNumber = Type.Object({
  revealId: Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Number of the request' }),
})

export const RevealsQuery = Type.Object({
  review: Type.Optional(
    Type.Boolean({ default: false, description: 'true: the review list, what was looked at and nobody has reviewed' }),
  ),
  cursor: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'From an earlier answer; none means the newest' }),
  ),
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 200, default: 50, description: 'Requests in one page at most' }),
  ),
})

const facts = {
  revealId: Type.Integer({ description: 'Number of the request' }),
  department: Type.String({ description: 'Department whose records they are' }),
  dataset: Type.String({ description: 'Dataset of the records' }),
  records: Type.Integer({ description: 'How many records' }),
  fields: Type.Array(Type.String(), { description: 'What is opened of each' }),
  caseNumber: Type.String({ description: 'Case or work order' }),
  purpose: Type.String({ description: 'Code of an item of the service list' }),
  reason: Type.String({ description: 'Why' }),
  urgent: Type.Boolean({ description: 'Break-glass' }),
  minutes: Type.Integer({ description: 'Minutes from the first look' }),
  requestedBy: Type.String({ description: 'Account that asks' }),
  requestedAt: Type.String({ format: 'date-time', description: 'When it asked' }),
  expiresAt: Type.String({ format: 'date-time', description: 'When it ends unused, approved or not' }),
  state: Type.Enum(['requested', 'approved', 'open', 'over', 'expired', 'refused'], {
    description: 'requested 待审批, approved 已批准, open 查看中, over 已结束, expired 已失效, refused 不同意',
  }),
  looks: Type.Integer({ description: 'How often was looked' }),
  firstLookAt: textOrNull('When was looked first'),
  openUntil: textOrNull('Until when may be looked'),
  finding: Type.Union([Type.Null(), Type.Enum(['ok', 'not-ok'])], { description: 'What the review found' }),
  note: textOrNull('What the review says'),
  reviewedBy: textOrNull('Account that reviewed'),
  reviewedAt: textOrNull('When it was reviewed'),
}

export const RevealView = Type.Object(
  {
    ...facts,
    approvals: Type.Array(
      Type.Object({
        duty: Type.Enum(['data', 'security'], { description: 'For whom it was decided' }),
        decision: Type.Enum(['approve', 'refuse'], { description: 'What was decided' }),
        reason: textOrNull('Why'),
        by: Type.String({ description: 'Account that decided' }),
        decidedAt: Type.String({ format: 'date-time', description: 'When' }),
      }),
      { description: 'What was decided so far' },
    ),
  },
  { title: 'Reveal' },
)

export const RevealPage = Type.Object(
  {
    reveals: Type.Array(RevealView, { description: 'The newest first' }),
    cursor: Type.Union([Type.Integer(), Type.Null()], { description: 'Give it back for more; null at the end' }),
  },
  { title: 'RevealPage' },
)

export const RevealedView = Type.Object(
  {
    openUntil: textOrNull('Until when may be looked'),
    records: Type.Array(
      Type.Object({
        id: Type.String({ description: 'Id of the record' }),
        fields: Type.Union([Type.Null(), Type.Record(Type.String(), Type.Unknown())], {
          description: 'The clear values that were asked for; null where the record was removed since',
        }),
      }),
      { description: 'In the order of the request' },
    ),
  },
  { title: 'RevealedRecords' },
)

export const viewReveal = (reveal: Reveal, approvals: readonly RevealApproval[]): Static<typeof RevealView> => ({
  ...reveal,
  fields: [...reveal.fields],
  requestedAt: reveal.requestedAt.toISOString(),
  expiresAt: reveal.expiresAt.toISOString(),
  firstLookAt: time(reveal.firstLookAt),
  openUntil: time(reveal.openUntil),
  reviewedAt: time(reveal.reviewedAt),
  approvals: approvals.map((one) => ({ ...one, decidedAt: one.decidedAt.toISOString() })),
})

const viewClear = ({ feed, recordId, fields }: ClearRecord) => ({
  id: `${feed}/${recordId}`,
  fields: fields === null ? null : { ...fields },
})

export const viewLook = ({ reveal, records }: Look): Static<typeof RevealedView> => ({
  openUntil: time(reveal.openUntil),
  records: records.map(viewClear),
})
