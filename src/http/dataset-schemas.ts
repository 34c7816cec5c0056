import { Type } from 'typebox'
import { sharingTypes } from '../feeds/sharing-type.ts'

const text = (description: string) => Type.String({ description })
const textOrNull = (description: string) => Type.Union([Type.String(), Type.Null()], { description })
const texts = (description: string) => Type.Array(Type.String(), { description })
const ratio = (description: string) => Type.Union([Type.Number(), Type.Null()], { description })

const Sharing = Type.Object(
  {
    type: Type.Enum([...sharingTypes], {
      description:
        '共享类型, the strictest of the live feeds: unconditional 无条件, conditional 有条件, not-shared 不予共享',
    }),
    isDeclared: Type.Boolean({
      description: 'Whether a catalogue entry says so; without one it counts as conditional',
    }),
    conditions: texts('共享条件'),
    basis: textOrNull('Law, administrative regulation or decision behind not-shared 不予共享依据'),
    methods: texts('共享方式'),
    updateCycle: textOrNull('更新周期, the slowest of the feeds'),
  },
  { title: 'Sharing', description: 'Whether and how it is shared' },
)

const Quality = Type.Object(
  {
    received: Type.Integer({ description: 'Rows that live feeds received within 30 days' }),
    completeness: ratio('完整性: share of rows that lack no required field'),
    accuracy: ratio('准确性: share of rows whose numbers, check digits and dates can be true'),
    consistency: ratio('一致性: share of rows whose fields do not contradict each other'),
    uniqueness: ratio('唯一性: share of rows that repeat no record'),
    timeliness: ratio('时效性: share of active feeds that succeeded within their update cycle'),
    validity: ratio('规范性: share of rows that keep to type, form and code table'),
  },
  { title: 'Quality', description: 'From 0 to 1, 1 is best; null where nothing was counted' },
)

const Department = Type.Object(
  {
    department: text('Folder name of the department'),
    name: text('Department in Chinese'),
    nameEn: text('Department in English'),
  },
  { title: 'Department' },
)

const datasetFacts = {
  dataset: text('Name of the dataset'),
  title: text('Title in Chinese'),
  titleEn: text('Title in English'),
  version: Type.Integer({ description: 'Version of its schema' }),
  lead: Type.Object(Department.properties, { description: '牵头数源部门: it answers applications' }),
  providers: Type.Array(Department, { description: 'Departments whose live feeds fill it' }),
  sharing: Sharing,
  quality: Quality,
}

export const DatasetList = Type.Object(
  {
    datasets: Type.Array(
      Type.Object({ ...datasetFacts, fields: Type.Integer({ description: 'How many fields a record has' }) }),
      { description: 'By name' },
    ),
  },
  { title: 'DatasetList' },
)

const Field = Type.Object(
  {
    name: text('Name of the field'),
    title: text('Title in Chinese'),
    titleEn: text('Title in English'),
    type: text('string, number, integer or boolean'),
    format: textOrNull('Form of the text'),
    required: Type.Boolean({ description: 'Whether every record has it' }),
    class: text('none, ordinary, identifier, quasi or sensitive'),
    level: text('L1 to L4'),
    mask: text('Mask of its masked form'),
    defaultForm: Type.String({
      enum: ['mask', 'omit'],
      description: 'How it leaves unless an agreement says otherwise',
    }),
    values: Type.Union([Type.Array(Type.String()), Type.Null()], { description: 'The values it can have' }),
    codes: Type.Union(
      [
        Type.Object({
          name: text('Name of the code list'),
          title: text('Title in Chinese'),
          titleEn: text('Title in English'),
          edition: text('Edition of the standard'),
          source: text('Where it was taken from'),
          labels: Type.Record(Type.String(), Type.String(), { description: 'Label by code' }),
        }),
        Type.Null(),
      ],
      { description: 'Code list of its values' },
    ),
  },
  { title: 'DatasetField' },
)

export const DatasetView = Type.Object(
  { ...datasetFacts, fields: Type.Array(Field, { description: 'In the order of the schema' }) },
  { title: 'Dataset' },
)

export const DatasetSearch = Type.Object({
  text: Type.Optional(
    Type.String({
      maxLength: 100,
      description: 'Words that all have to be in the names and titles of the dataset, its fields or its departments',
    }),
  ),
})
