import { Type, type Static } from 'typebox'
import type { Deadline } from '../feeds/incident-duties.ts'
import { incidentLevels } from '../feeds/jurisdiction.ts'
import type { IncidentFile } from '../sharing/incident-report.ts'
import { FreezeView, ScopeText, viewFreeze } from './freeze-routes.ts'

const textOrNull = (description: string) => Type.Union([Type.Null(), Type.String()], { description })
const time = (description: string) => Type.String({ format: 'date-time', description })
const iso = (date: Date | null): string | null => date?.toISOString() ?? null

const LevelText = Type.Enum([...incidentLevels], {
  description: 'ordinary 一般, larger 较大, major 重大, extreme 特别重大',
})

const text = (description: string) =>
  Type.Optional(Type.Union([Type.Null(), Type.String({ minLength: 1, maxLength: 2000 })], { description }))
const count = (description: string) =>
  Type.Optional(
    Type.Union([Type.Null(), Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })], { description }),
  )
const MOMENT = Type.String({ format: 'date-time' })

/** What PIPL Art. 57 wants a notice to hold, and the counts. */
const contents = {
  endedAt: Type.Optional(Type.Union([Type.Null(), MOMENT], { description: 'When it ended' })),
  categories: text('Categories of information that leaked, were altered or lost 信息种类'),
  causes: text('What brought it about 原因'),
  harm: text('Harm that may come of it 可能造成的危害'),
  measures: text('Remedial measures that were taken 已采取的补救措施'),
  advice: text('What persons can do to lessen the harm 个人可采取的减轻危害措施'),
  contact: text('How to reach the handler 联系方式'),
  persons: count('Persons concerned'),
  records: count('Records concerned'),
}

export const IncidentBody = Type.Object(
  {
    title: Type.String({ minLength: 1, maxLength: 200, description: 'What happened, without naming a person' }),
    level: LevelText,
    scope: Type.Optional(ScopeText),
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 60, description: 'Code or name of what it is about' })),
    knownAt: Type.Optional(
      Type.String({
        format: 'date-time',
        description: 'Since when it is known; now without it. The deadlines run from here',
      }),
    ),
    beganAt: Type.Optional(Type.String({ format: 'date-time', description: 'When it began; as knownAt without it' })),
  },
  { title: 'NewIncident', additionalProperties: false },
)

export const IncidentChangeBody = Type.Object(
  {
    level: Type.Optional(LevelText),
    state: Type.Optional(Type.Enum(['open', 'contained'], { description: 'contained 已控制' })),
    beganAt: Type.Optional(Type.String({ format: 'date-time', description: 'When it began' })),
    ...contents,
  },
  { title: 'IncidentChange', additionalProperties: false, description: 'What is left out stays as it is' },
)

export const IncidentNoticeBody = Type.Object(
  {
    duty: Type.String({ pattern: '^[a-z]+(-[a-z]+)*$', maxLength: 40, description: 'A duty of the deadlines' }),
    decision: Type.Enum(['sent', 'waived'], { description: 'waived: nobody is told, for the reason in evidence' }),
    recipient: Type.String({ minLength: 1, maxLength: 200, description: 'Who was told' }),
    evidence: Type.String({
      minLength: 1,
      maxLength: 500,
      description: 'Number of the document or receipt, or the reason',
    }),
    noticedAt: Type.Optional(Type.String({ format: 'date-time', description: 'When; now without it' })),
  },
  { title: 'NewIncidentNotice', additionalProperties: false },
)

export const IncidentClosureBody = Type.Object(
  {
    review: Type.String({
      minLength: 10,
      maxLength: 2000,
      description: 'What is learnt of it, without naming a person',
    }),
  },
  { title: 'IncidentClosure', additionalProperties: false },
)

export const IncidentNumber = Type.Object({
  incidentId: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'Number of the incident' }),
})

const DeadlineView = Type.Object({
  duty: Type.String({ description: 'Who has to be told' }),
  zh: Type.String({ description: '期限事项' }),
  en: Type.String({ description: 'What has to be done' }),
  hours: Type.Integer({ description: 'Hours from when it was known' }),
  source: Type.String({ description: 'Where the number is from' }),
  dueAt: time('Until when'),
  state: Type.Enum(['running', 'due-soon', 'overdue', 'done', 'done-late'], { description: 'How it stands' }),
})

const incidentFacts = {
  incidentId: Type.Integer({ description: 'Number of the incident' }),
  title: Type.String({ description: 'What happened' }),
  level: LevelText,
  state: Type.Enum(['open', 'contained', 'closed'], { description: 'open 处置中, contained 已控制, closed 已办结' }),
  scope: Type.Union([Type.Null(), ScopeText], { description: 'What it is about; null: not known' }),
  name: textOrNull('Code or name of it'),
  openedBy: Type.String({ description: 'Account that opened it' }),
  openedAt: time('When it was opened'),
  knownAt: time('Since when it is known'),
  beganAt: time('When it began'),
  endedAt: textOrNull('When it ended'),
  categories: textOrNull('信息种类 / Categories of information'),
  causes: textOrNull('原因 / Causes'),
  harm: textOrNull('可能造成的危害 / Possible harm'),
  measures: textOrNull('补救措施 / Remedial measures'),
  advice: textOrNull('个人可采取的措施 / What persons can do'),
  contact: textOrNull('联系方式 / How to reach the handler'),
  persons: Type.Union([Type.Null(), Type.Integer()], { description: 'Persons concerned' }),
  records: Type.Union([Type.Null(), Type.Integer()], { description: 'Records concerned' }),
  closedBy: textOrNull('Account that closed it'),
  closedAt: textOrNull('When it was closed'),
  review: textOrNull('Its review'),
  deadlines: Type.Array(DeadlineView, { description: 'Who has to be told until when' }),
  notices: Type.Array(
    Type.Object({
      duty: Type.String({ description: 'Duty that was done' }),
      decision: Type.Enum(['sent', 'waived'], { description: 'Whether somebody was told' }),
      recipient: Type.String({ description: 'Who was told' }),
      evidence: Type.String({ description: 'Document, receipt or reason' }),
      noticedAt: time('When'),
      recordedBy: Type.String({ description: 'Account that recorded it' }),
      recordedAt: time('When it was recorded'),
    }),
    { description: 'Notices that were recorded' },
  ),
  freezes: Type.Array(FreezeView, { description: 'Freezes that belong to it' }),
}

export const IncidentView = Type.Object(incidentFacts, { title: 'Incident' })

export const IncidentList = Type.Object(
  { incidents: Type.Array(IncidentView, { description: 'Those that are not closed first, then the newest' }) },
  { title: 'IncidentList' },
)

export const IncidentReport = Type.Object(
  {
    madeAt: time('When the report was made'),
    incident: Type.Object(incidentFacts, { description: 'The record as it is now' }),
    disclosed: Type.Array(
      Type.Object({
        receiver: Type.String({ description: 'As the audit log names it' }),
        dataset: textOrNull('Dataset'),
        answers: Type.Integer({ description: 'Answers, deliveries, files and looks' }),
        records: Type.Integer({ description: 'Records in them' }),
        firstAt: time('The first'),
        lastAt: time('The last'),
      }),
      { description: 'What left to whom in the time of the incident, by the audit log' },
    ),
    text: Type.String({ description: '报告正文 / The report in Chinese, as plain text' }),
  },
  { title: 'IncidentReport' },
)

const viewDeadline = (deadline: Deadline) => ({ ...deadline, dueAt: deadline.dueAt.toISOString() })

export function viewIncident({ incident, deadlines, notices, freezes }: IncidentFile): Static<typeof IncidentView> {
  return {
    ...incident,
    openedAt: incident.openedAt.toISOString(),
    knownAt: incident.knownAt.toISOString(),
    beganAt: incident.beganAt.toISOString(),
    endedAt: iso(incident.endedAt),
    closedAt: iso(incident.closedAt),
    deadlines: deadlines.map(viewDeadline),
    notices: notices.map((notice) => ({
      ...notice,
      noticedAt: notice.noticedAt.toISOString(),
      recordedAt: notice.recordedAt.toISOString(),
    })),
    freezes: freezes.map(viewFreeze),
  }
}
