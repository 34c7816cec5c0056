import { Type } from 'typebox'
import { applicationActions, applicationStates } from '../feeds/application-life.ts'
import { basisKinds } from '../feeds/application-rules.ts'
import { fieldForms } from '../feeds/forms.ts'
import { shareMethods } from '../feeds/legal-basis.ts'
import { profileNames } from '../feeds/profiles.ts'

const closed = { additionalProperties: false } as const
const text = (description: string, maxLength = 200) => Type.String({ minLength: 1, maxLength, description })
const told = (description: string) => Type.String({ description })
const toldOrNull = (description: string) => Type.Union([Type.String(), Type.Null()], { description })
const literals = <const Values extends readonly string[]>(values: Values, description: string) =>
  Type.Enum([...values] as Values[number][], { description })

const DEFAULT_PAGE = 500

const Forms = Type.Record(Type.String({ pattern: '^[a-z][A-Za-z0-9]{0,59}$' }), literals(fieldForms, 'How it leaves'), {
  maxProperties: 300,
  description:
    'How each field leaves: omit 不提供, mask 去标识化, token 假名, generalise 泛化, clear 明文; omit where none is given',
})

/** Days, areas and forms are judged when it is submitted, so that a draft can be saved before it is complete. */
const requestFacts = {
  basis: Type.Object(
    {
      kind: literals(
        basisKinds,
        'law 法律, administrative-regulation 行政法规, local-regulation 地方性法规, government-decision 政府决定',
      ),
      title: text('Title 名称'),
      article: text('Article 条款', 40),
    },
    { ...closed, description: 'Why the consumer may use the data 使用依据' },
  ),
  purpose: text('Code of a published service item 用途（服务事项编码）', 40),
  scenario: text('What the data is used for, in words 使用场景', 2000),
  area: Type.Array(Type.String({ pattern: '^[0-9]{4,15}$' }), {
    minItems: 1,
    maxItems: 200,
    description: 'First digits of the division, community or grid codes 使用范围',
  }),
  shareMethod: literals(shareMethods, '共享方式'),
  method: literals(
    ['copy', 'query'] as const,
    'copy: records are kept at the consumer; query: one at a time, with a reason',
  ),
  validFrom: text('First day, yyyy-MM-dd', 10),
  validTo: text('The first day on which it holds no more, yyyy-MM-dd', 10),
}

const NewRequest = {
  ...requestFacts,
  profile: Type.Optional(
    literals(profileNames as readonly [string, ...string[]], 'A shipped profile that the forms begin with'),
  ),
  forms: Type.Optional(Forms),
  recordsPerDay: Type.Optional(
    Type.Union([Type.Null(), Type.Integer({ minimum: 1 })], {
      description: 'Records in a day at most; null: no daily limit',
    }),
  ),
  pageSize: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 1000, default: DEFAULT_PAGE, description: 'Records in a page at most' }),
  ),
}

export const NewApplicationBody = Type.Object(
  { dataset: text('Dataset that is applied for', 40), ...NewRequest },
  { ...closed, title: 'NewApplication' },
)
export const ApplicationBody = Type.Object(NewRequest, { ...closed, title: 'ApplicationRequest' })

export const ApplicationPath = Type.Object({
  applicationId: Type.Integer({
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Number of the application',
  }),
})

const receiptFacts = {
  way: literals(['deleted', 'overwritten', 'destroyed'] as const, 'deleted 删除, overwritten 覆写, destroyed 介质销毁'),
  on: text('The day it was done, yyyy-MM-dd', 10),
  copies: Type.Integer({ minimum: 0, maximum: 1_000_000_000, description: 'How many copies of the data there were' }),
  statement: text('What was disposed of and who saw to it, without names of persons', 1000),
}

export const ApplicationMoveBody = Type.Object(
  {
    action: literals(applicationActions, 'What to do'),
    reason: Type.Optional(
      Type.String({
        maxLength: 1000,
        description: 'Why, or what is missing; wanted to ask, extend, approve, refuse and revoke',
      }),
    ),
    allowsClear: Type.Optional(
      Type.Boolean({
        default: false,
        description: "The security administrator's second approval of L4 fields in clear",
      }),
    ),
    receipt: Type.Optional(
      Type.Object(receiptFacts, { ...closed, description: 'How the data was disposed of; wanted to dispose' }),
    ),
  },
  { ...closed, title: 'ApplicationMove' },
)

const State = literals(applicationStates, 'Where it stands')

const orNull = <Schema extends ReturnType<typeof Type.Object>>(schema: Schema, description: string) =>
  Type.Union([schema, Type.Null()], { description })

const deedFacts = { by: told('Account'), at: told('RFC 3339'), reason: told('Why, or what is missing') }
const Deed = Type.Object(deedFacts)
const Answer = Type.Object({ ...deedFacts, verdict: literals(['approve', 'refuse'] as const, 'What was answered') })

const summaryFacts = {
  applicationId: Type.Integer({ description: 'Number of the application' }),
  consumer: told('Consumer that applies'),
  dataset: told('Dataset that is applied for'),
  department: told('Department whose data owner answers'),
  state: State,
  purpose: told('Code of the service item'),
  validFrom: told('First day'),
  validTo: told('The first day on which it holds no more'),
  submittedAt: toldOrNull('When it was submitted last, RFC 3339'),
  dueAt: toldOrNull('When the answer is due or, once approved, the provision, RFC 3339'),
  isDueAssumed: Type.Boolean({
    description: 'A year of the term has no calendar of holidays yet, and was taken as Monday to Friday',
  }),
  agreement: toldOrNull('The agreement that it became, and its version'),
}

export const ApplicationView = Type.Object(
  {
    ...summaryFacts,
    request: Type.Object(
      {
        ...requestFacts,
        profile: toldOrNull('The profile that the forms began with'),
        forms: Type.Record(Type.String(), Type.String(), { description: 'How each field leaves' }),
        recordsPerDay: Type.Union([Type.Integer(), Type.Null()], { description: 'Records in a day at most' }),
        pageSize: Type.Integer({ description: 'Records in a page at most' }),
      },
      { description: 'What is asked for' },
    ),
    isConditional: Type.Boolean({
      description: 'Whether the dataset is shared with conditions, for which the answer has longer',
    }),
    applicant: told('Account that wrote it last'),
    asked: orNull(Deed, 'What was missing 一次性告知'),
    extension: orNull(Deed, 'Who let the answer have longer'),
    owner: orNull(Answer, "Data owner's answer"),
    officer: orNull(Answer, "Security administrator's answer"),
    isClearAllowed: Type.Boolean({ description: 'Whether the security administrator approved L4 fields in clear' }),
    provisionedAt: toldOrNull('When the service was opened, RFC 3339'),
    confirmedAt: toldOrNull('When the consumer said that it receives, RFC 3339'),
    ended: orNull(Deed, 'Who ended it, or the end of its term'),
    disposal: orNull(Type.Object(receiptFacts), 'Receipt of disposal'),
    missing: Type.Array(Type.String(), { description: 'What keeps it from being submitted; none once it is' }),
    actions: Type.Array(literals(applicationActions, 'An action'), { description: 'What this account may do next' }),
  },
  { title: 'Application' },
)

export const ApplicationPage = Type.Object(
  {
    applications: Type.Array(Type.Object(summaryFacts), { description: 'The newest first' }),
    cursor: Type.Union([Type.Integer(), Type.Null()], { description: 'Give it back for older ones; null at the end' }),
  },
  { title: 'ApplicationPage' },
)

export const ApplicationsQuery = Type.Object({
  state: Type.Optional(State),
  cursor: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'From an earlier answer; none means from the newest',
    }),
  ),
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 200, default: 50, description: 'Applications in one page at most' }),
  ),
})
