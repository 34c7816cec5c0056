import { Type } from 'typebox'
import { shareMethods, updateCycles } from '../feeds/legal-basis.ts'
import { dispositions, feedActions, feedStates } from '../feeds/life.ts'

const text = (description: string, maxLength = 200) => Type.String({ minLength: 1, maxLength, description })
/** Null comes first: the server coerces types, and would else read null as an empty text. */
const orNull = (schema: ReturnType<typeof text>, description: string) =>
  Type.Union([Type.Null(), schema], { description })
const closed = { additionalProperties: false } as const
const nullable = (description: string) => Type.Union([Type.String(), Type.Null()], { description })
const number = (description: string) => Type.Integer({ description })
const numberOrNull = (description: string) => Type.Union([Type.Integer(), Type.Null()], { description })
const names = (description: string) => Type.Array(Type.String(), { description })

/** Days, codes and texts are judged by the gate, so that a draft can be saved before it is complete. */
const LegalBasis = Type.Object(
  {
    departmentLaw: Type.Object(
      {
        kind: Type.Union([Type.Literal('law'), Type.Literal('administrative-regulation')], {
          description: 'law 法律, administrative-regulation 行政法规',
        }),
        title: text('Title of the law 名称'),
        article: text('Article 条款', 40),
      },
      { ...closed, description: "The department's own law or administrative regulation" },
    ),
    luzhouArticle: text('Article of the Luzhou regulation that has departments share: 22', 10),
    purposes: Type.Array(text('Code of a published service item', 40), {
      maxItems: 50,
      description: 'Service items that the data is for',
    }),
    impactAssessment: Type.Union(
      [
        Type.Object(
          {
            reference: text('Number of the report 编号', 100),
            date: text('yyyy-MM-dd', 10),
            conclusion: text('Conclusion 结论', 1000),
          },
          closed,
        ),
        Type.Null(),
      ],
      { description: 'Prior impact assessment; null where the dataset holds nothing personal' },
    ),
    noStateOrWorkSecret: Type.Boolean({ description: 'Declaration that there is no state or work secret in it' }),
  },
  { ...closed, title: 'LegalBasis' },
)

const literals = <const Values extends readonly string[]>(values: Values, description: string) =>
  Type.Enum([...values] as Values[number][], { description })

const CatalogueEntry = Type.Object(
  {
    classification: Type.String({
      pattern: '^[0-9]{6,12}$',
      description: '信息资源分类: 类 1, 项 2, 目 3 digits, 细目',
    }),
    code: Type.String({ pattern: '^[0-9]{6,12}/[0-9]{1,8}$', description: '信息资源代码: classification/sequence' }),
    provider: text('信息资源提供方'),
    providerCode: Type.String({
      pattern: '^[0-9A-Z]{18}$',
      description: '信息资源提供方代码, unified social credit code',
    }),
    abstract: text('信息资源摘要', 2000),
    format: text('信息资源格式', 100),
    shareType: Type.Union([Type.Literal(1), Type.Literal(2), Type.Literal(3)], {
      description: '共享类型: 1 without condition, 2 with conditions, 3 not shared',
    }),
    shareCondition: orNull(text('', 1000), '共享条件, wanted for type 2'),
    shareBasis: orNull(text('', 1000), 'Law, administrative regulation or decision, wanted for type 3'),
    shareMethod: literals(shareMethods, '共享方式'),
    open: Type.Boolean({ description: '是否向社会开放' }),
    openCondition: orNull(text('', 1000), '开放条件'),
    updateCycle: literals(updateCycles, '更新周期'),
    publishedOn: text('发布日期, yyyy-MM-dd', 10),
    relatedCodes: Type.Array(text('关联资源代码', 40), { maxItems: 50, description: '关联资源代码' }),
  },
  { ...closed, title: 'CatalogueEntry' },
)

const Manifest = Type.Record(Type.String(), Type.Unknown(), {
  description: 'The manifest as schemas/manifest.schema.json describes it',
})

/** What an editor hands in. The manifest has its own closed schema, which names every fault by its JSON pointer. */
export const DraftBody = Type.Object(
  {
    manifest: Manifest,
    legalBasis: Type.Optional(Type.Union([LegalBasis, Type.Null()])),
    catalogue: Type.Optional(Type.Union([CatalogueEntry, Type.Null()])),
    note: Type.Optional(Type.String({ maxLength: 500, description: 'Why this version' })),
  },
  { ...closed, title: 'FeedDraft' },
)

/** Codes and names are looked at before they are looked up: what fits neither is not repeated in a refusal either. */
export const FEED_CODE = '^[A-Z0-9]+(-[A-Z0-9]+){1,5}$'
export const DEPARTMENT = '^[a-z]+(-[a-z]+)*$'

export const FeedCode = Type.Object({
  code: Type.String({ pattern: FEED_CODE, maxLength: 40, description: 'Code of the feed' }),
})

const State = literals(feedStates, 'Where it stands')

export const TestReport = Type.Object(
  {
    passed: Type.Boolean({
      description: 'Whether a run would stay within the error budget, with at least one good row',
    }),
    pulled: number('Rows of the first page'),
    valid: number('Good rows'),
    rejected: number('Rejected rows'),
    rules: Type.Record(Type.String(), Type.Integer(), {
      description: 'How often each quality rule rejected or warned',
    }),
    testedAt: Type.String({ description: 'RFC 3339' }),
  },
  { title: 'TestReport' },
)

const versionFacts = {
  version: number('Number of the version, from 1'),
  state: State,
  origin: Type.String({ description: 'account: through this API; operator: at the command line' }),
  note: Type.String({ description: 'Why this version' }),
  equalTo: numberOrNull('The version that this one repeats'),
  author: nullable('Account that wrote it'),
  submittedBy: nullable('Account that submitted it'),
  reviewedBy: nullable('Account that reviewed it for the department'),
  approvedBy: nullable('Security administrator who approved it'),
  activatedBy: nullable('Account that activated it'),
  reason: nullable('Why it was last returned, refused, suspended or retired'),
  test: Type.Union([TestReport, Type.Null()], { description: 'The test batch; null before there was one' }),
  createdAt: Type.String({ description: 'RFC 3339' }),
}

export const VersionSummary = Type.Object(versionFacts, { title: 'FeedVersionSummary' })

export const VersionView = Type.Object(
  {
    ...versionFacts,
    manifest: Manifest,
    legalBasis: Type.Unknown({ description: 'Legal basis, or null' }),
    catalogue: Type.Unknown({ description: 'Catalogue entry, or null' }),
  },
  { title: 'FeedVersion' },
)

export const FeedView = Type.Object(
  {
    code: Type.String({ description: 'Code of the feed' }),
    department: Type.String({ description: 'Department that owns it' }),
    dataset: Type.String({ description: 'Dataset that it fills' }),
    state: State,
    live: Type.Union([VersionSummary, Type.Null()], { description: 'The version that runs use' }),
    open: Type.Union([VersionSummary, Type.Null()], { description: 'The version that is being prepared' }),
    missing: names('What the version in preparation lacks before it can be submitted or activated'),
    secrets: Type.Array(
      Type.Object({
        name: Type.String({ description: 'Name that the manifest uses' }),
        given: Type.Boolean({ description: 'Whether it was set' }),
      }),
      { description: 'Secrets by name; their values are never shown' },
    ),
    readsFromBeginning: Type.Union([Type.Boolean(), Type.Null()], {
      description:
        'Whether the feed reads from the beginning once the version in preparation is active, because source, window or record changed; null where there is none',
    }),
    disposition: Type.Union(
      [
        Type.Object({
          choice: literals(dispositions, 'What was decided'),
          records: number('Records that were withdrawn so far'),
          rejections: number('Refused rows that were removed so far'),
          batches: number('Pieces of posted batches that were removed so far'),
          doneAt: nullable('RFC 3339; null while there is something left to remove'),
        }),
        Type.Null(),
      ],
      { description: 'What becomes of the data of a feed that is retired; null before' },
    ),
    actions: Type.Array(literals(feedActions, 'An action'), { description: 'What this account may do next' }),
  },
  { title: 'Feed' },
)

export const FeedList = Type.Object(
  {
    feeds: Type.Array(
      Type.Object({
        code: Type.String({ description: 'Code of the feed' }),
        department: Type.String({ description: 'Department that owns it' }),
        dataset: Type.String({ description: 'Dataset that it fills' }),
        title: Type.String({ description: 'Title in Chinese' }),
        state: State,
        liveVersion: numberOrNull('The version that runs use'),
        openVersion: numberOrNull('The version that is being prepared'),
        openState: Type.Union([State, Type.Null()], { description: 'Where that version stands' }),
      }),
      { description: 'By code' },
    ),
  },
  { title: 'FeedList' },
)

export const MoveBody = Type.Object(
  {
    action: literals(feedActions, 'What to do'),
    reason: Type.Optional(
      Type.String({ maxLength: 500, description: 'Why; wanted to return, refuse, suspend and retire' }),
    ),
    disposition: Type.Optional(
      literals(
        dispositions,
        'What becomes of the data that was taken in; wanted to retire. keep: it rests and is shared on the legal basis that remains; tombstone: consumers are told to remove the records, and nothing of them stays but the key; erase: refused and posted rows that wait are removed too',
      ),
    ),
  },
  { ...closed, title: 'FeedMove' },
)

export const DiffView = Type.Object(
  {
    from: number('The older version'),
    to: number('The newer version'),
    differences: Type.Array(
      Type.Object({
        change: Type.String({ enum: ['added', 'removed', 'changed'], description: 'What happened to the place' }),
        pointer: Type.String({ description: 'JSON pointer into manifest, legalBasis or catalogue' }),
        before: Type.Optional(Type.Unknown({ description: 'Value of the older version' })),
        after: Type.Optional(Type.Unknown({ description: 'Value of the newer version' })),
      }),
      { description: 'Every place that differs' },
    ),
  },
  { title: 'FeedDiff' },
)

export const PreviewView = Type.Object(
  {
    dataset: Type.String({ description: 'Dataset that the rows would fill' }),
    fields: Type.Array(
      Type.Object({
        name: Type.String({ description: 'Property of the dataset' }),
        title: Type.String({ description: 'Title in Chinese' }),
        titleEn: Type.String({ description: 'Title in English' }),
        class: Type.String({ description: 'none, ordinary, identifier, quasi or sensitive' }),
        level: Type.String({ description: 'L1 to L4' }),
        mask: Type.String({ description: 'Mask at rest' }),
        required: Type.Boolean({ description: 'Whether a row without it is rejected' }),
      }),
      { description: 'The fields that the mapping fills' },
    ),
    rows: Type.Array(
      Type.Object({
        row: number('Place on the page, from 0'),
        raw: Type.Unknown({ description: 'The row as it came; null for an account of no or another department' }),
        mapped: Type.Unknown({ description: 'The row in the words of the dataset, still clear; null as raw' }),
        masked: Type.Unknown({ description: 'The record as it would rest; null where the row is rejected' }),
        reasons: Type.Array(
          Type.Object({
            rule: Type.String({ description: 'Quality rule' }),
            field: nullable('Property of the dataset'),
          }),
          { description: 'Why the row would be rejected' },
        ),
        warnings: names('Quality rules that warn'),
      }),
      { description: 'At most 20' },
    ),
    read: number('Rows on the first page'),
  },
  { title: 'FeedPreview' },
)

export const Written = Type.Object(
  { code: Type.String({ description: 'Code of the feed' }), version: number('The version that was written') },
  { title: 'FeedVersionWritten' },
)

export const MovedView = Type.Object(
  { code: Type.String({ description: 'Code of the feed' }), version: number('The version that moved'), state: State },
  { title: 'FeedMoved' },
)
