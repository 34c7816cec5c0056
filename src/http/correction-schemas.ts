import { Type, type Static } from 'typebox'
import { correctionAnswers, correctionKinds, correctionStates } from '../feeds/correction-life.ts'
import type { CorrectionAnswer, CorrectionKind, CorrectionState } from '../feeds/correction-life.ts'
import type { Evidence } from '../sharing/corrections.ts'
import type { Correction } from '../store/corrections.ts'

const orNull = (description: string) => Type.Union([Type.String(), Type.Null()], { description })
const kinds = Object.keys(correctionKinds) as CorrectionKind[]
const answers = Object.keys(correctionAnswers) as CorrectionAnswer[]
const kindWords = Object.entries(correctionKinds)
  .map(([kind, { zh, en }]) => `${kind} ${zh}, ${en}`)
  .join('; ')

/** A number that a consumer gives to what it reports. */
export const Reference = Type.String({
  pattern: '^[A-Za-z0-9._:-]{1,64}$',
  description: 'Your own number of it; the same again gives the first answer',
})
export const RecordName = Type.String({
  minLength: 3,
  maxLength: 300,
  description: 'Identity of the record as it was shared: feed code, a slash, source record id',
})
export const EvidenceTime = Type.String({
  format: 'date-time',
  description: 'When it was seen at the place, RFC 3339 with an offset',
})
export const SeenVersion = Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Version that you hold' })

export const CorrectionBody = Type.Object(
  {
    dataset: Type.String({ minLength: 1, maxLength: 60, description: 'Name of the dataset' }),
    id: RecordName,
    version: SeenVersion,
    kind: Type.Enum(kinds, { description: kindWords }),
    // Null comes first: the server coerces types, and would else read null as an empty text.
    field: Type.Optional(
      Type.Union([Type.Null(), Type.String({ minLength: 1, maxLength: 60 })], {
        description: 'Property that is wrong, wanted for wrong-value and missing; the agreement must grant it',
      }),
    ),
    observed: Type.Optional(
      Type.Union([Type.Null(), Type.String({ minLength: 1, maxLength: 500 })], {
        description: "What was seen instead. It rests sealed and is shown to the record's own department only",
      }),
    ),
    note: Type.Optional(
      Type.Union([Type.Null(), Type.String({ minLength: 1, maxLength: 1000 })], {
        description: 'Words; sealed as well',
      }),
    ),
    evidenceAt: EvidenceTime,
    reference: Reference,
  },
  { additionalProperties: false, title: 'NewCorrection' },
)

const facts = {
  correctionId: Type.Integer({ description: 'Number of the correction' }),
  reference: Type.String({ description: "The consumer's own number of it" }),
  dataset: Type.String({ description: 'Name of the dataset' }),
  version: Type.Integer({ description: 'Version that the consumer held' }),
  kind: Type.Enum(kinds, { description: kindWords }),
  field: orNull('Property that is wrong; null: the record as a whole'),
  evidenceAt: Type.String({ description: 'When it was seen' }),
  state: Type.Enum([...correctionStates] as CorrectionState[], {
    description: 'open → accepted → source-fixed, rejected or cannot-find → synced → closed',
  }),
  reason: orNull('Why the department refused or could not find it'),
  raisedAt: Type.String({ description: 'When it was received first' }),
  dueAt: Type.String({ description: 'Until when the department answers, in working days' }),
  dueAssumed: Type.Boolean({
    description: 'true: a year of the term has no calendar yet; Monday to Friday were counted',
  }),
  overdue: Type.Boolean({ description: 'Whether the answer came late, or is late' }),
  acceptedAt: orNull('When the department took it up'),
  answeredAt: orNull('When it answered'),
  syncedAt: orNull('When the record came in anew after the fix'),
  syncedVersion: Type.Union([Type.Integer(), Type.Null()], {
    description: "Version of the department's record that came in then",
  }),
  closedAt: orNull('When it was closed'),
}

export const CorrectionView = Type.Object(
  { ...facts, id: Type.String({ description: 'Identity of the record as it was shared' }) },
  { title: 'Correction' },
)

export const DepartmentCorrectionView = Type.Object(
  {
    ...facts,
    consumer: Type.String({ description: 'Who reported it' }),
    feed: Type.String({ description: 'Feed of the record' }),
    recordId: orNull("Record id at the source, for the record's own department"),
    recordVersion: Type.Integer({ description: 'Version of the record now' }),
    observed: orNull("What was seen instead, in clear, for the record's own department"),
    note: orNull("Words of the consumer, for the record's own department"),
  },
  { title: 'DepartmentCorrection' },
)

export const AnswerBody = Type.Object(
  {
    answer: Type.Enum(answers, {
      description: 'accept 受理; then fix 数源已更正, refuse 不予更正 or cannot-find 无法核实',
    }),
    reason: Type.Optional(
      Type.Union([Type.Null(), Type.String({ minLength: 1, maxLength: 500 })], {
        description: 'Wanted to refuse and where it cannot be found; it is told to the consumer',
      }),
    ),
    version: Type.Optional(
      Type.Union([Type.Null(), Type.Integer({ minimum: 1, maximum: 2_147_483_647 })], {
        description: 'With fix: the version of the record that holds the fix, where it came in before this answer',
      }),
    ),
  },
  { additionalProperties: false, title: 'CorrectionAnswer' },
)

const time = (date: Date | null): string | null => date?.toISOString() ?? null

/** Late is late, whether or not anybody has been told. */
const isOverdue = ({ dueAt, answeredAt }: Correction): boolean => (answeredAt ?? new Date()) > dueAt

const viewFacts = (correction: Correction) => ({
  correctionId: correction.correctionId,
  reference: correction.reference,
  dataset: correction.dataset,
  version: correction.seenVersion,
  kind: correction.kind,
  field: correction.field,
  evidenceAt: correction.evidenceAt.toISOString(),
  state: correction.state,
  reason: correction.reason,
  raisedAt: correction.raisedAt.toISOString(),
  dueAt: correction.dueAt.toISOString(),
  dueAssumed: correction.dueAssumed,
  overdue: isOverdue(correction),
  acceptedAt: time(correction.acceptedAt),
  answeredAt: time(correction.answeredAt),
  syncedAt: time(correction.syncedAt),
  syncedVersion: correction.syncedVersion,
  closedAt: time(correction.closedAt),
})

export const viewCorrection = (correction: Correction): Static<typeof CorrectionView> => ({
  ...viewFacts(correction),
  id: correction.id,
})

/** `evidence` is null for whoever is not of the record's department, or where none was given. */
export const viewForDepartment = (
  correction: Correction,
  isOwn: boolean,
  evidence: Evidence | null,
): Static<typeof DepartmentCorrectionView> => ({
  ...viewFacts(correction),
  consumer: correction.consumer,
  feed: correction.feed,
  recordId: isOwn ? correction.recordId : null,
  recordVersion: correction.recordVersion,
  observed: evidence?.observed ?? null,
  note: evidence?.note ?? null,
})
