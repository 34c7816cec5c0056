import { Type, type Static } from 'typebox'
import type { Dataset } from '../feeds/datasets.ts'
import { registeredDepartments } from '../feeds/departments.ts'
import { fieldForms, type FieldForm } from '../feeds/forms.ts'
import { isPersonal } from '../feeds/legal-basis.ts'
import { cellText } from '../ingest/rejections/cell-text.ts'
import { fileForms } from '../ingest/rejections/export.ts'
import { readSharingList, sharingStates, type SharedFeed, type SharingEntry } from '../store/sharing-list.ts'
import { consumerSecurity } from './clients.ts'
import { asPlugin, describeRoute, type Route } from './management.ts'
import { admitViewer } from './viewer.ts'

const text = (description: string) => Type.String({ description })
const textOrNull = (description: string) => Type.Union([Type.String(), Type.Null()], { description })

const Entry = Type.Object({
  agreement: text('Number and version of the agreement'),
  consumer: text('Who receives'),
  dataset: text('Dataset'),
  title: text('数据资源名称'),
  titleEn: text('Title of the dataset in English'),
  personal: Type.Boolean({ description: 'Whether its records say anything about a person' }),
  feeds: Type.Array(
    Type.Object({
      feed: text('Code of the feed'),
      department: text('Folder name of the department'),
      departmentName: text('数源部门'),
      law: textOrNull(
        "The department's own law or administrative regulation; null where an operator registered the feed",
      ),
      article: textOrNull('Article of it'),
      luzhouArticle: textOrNull('Article of the Luzhou regulation that has departments share'),
    }),
    { description: 'Feeds that fill it, each with the basis on which it is given' },
  ),
  purpose: text('Item of the service list that it is for'),
  purposeName: textOrNull('事项名称; null where none is published under the code'),
  approvalNo: textOrNull('批准文号'),
  fields: Type.Array(
    Type.Object({
      name: text('Property of the dataset'),
      title: text('字段名称'),
      level: text('L1 to L4'),
      form: Type.String({ enum: fieldForms.filter((form) => form !== 'omit'), description: 'How it leaves' }),
    }),
    { description: 'Fields that leave, in the order of the dataset; no other does' },
  ),
  area: Type.Array(Type.String(), { description: 'Area code prefixes; 5105 is the whole city' }),
  method: Type.String({ enum: ['copy', 'query'], description: 'copy: changes; query: single records only' }),
  recordsPerDay: Type.Union([Type.Integer(), Type.Null()], { description: 'Limit; null where there is none' }),
  validFrom: Type.String({ format: 'date-time', description: 'Since when' }),
  validTo: Type.String({ format: 'date-time', description: 'Until when' }),
  state: Type.String({ enum: [...sharingStates], description: 'IN_FORCE, or why nothing leaves' }),
  grantedBy: text('Who granted it'),
  grantedAt: Type.String({ format: 'date-time', description: 'When' }),
})

const SharingList = Type.Object(
  {
    madeAt: Type.String({ format: 'date-time', description: 'When the list was made' }),
    entries: Type.Array(Entry, { description: 'By consumer and dataset' }),
  },
  { title: 'SharingList' },
)

type ViewedEntry = Static<typeof Entry>

const ListQuery = Type.Object({
  format: Type.Optional(
    Type.String({
      enum: ['json', 'csv'],
      default: 'json',
      description: 'CSV in UTF-8 with a byte order mark, for people',
    }),
  ),
})

const viewFeed = ({ feed, department, legalBasis }: SharedFeed): ViewedEntry['feeds'][number] => ({
  feed,
  department,
  departmentName: registeredDepartments().get(department)?.name ?? department,
  law: legalBasis?.departmentLaw.title ?? null,
  article: legalBasis?.departmentLaw.article ?? null,
  luzhouArticle: legalBasis?.luzhouArticle ?? null,
})

/** The fields that leave, as the dataset has them: what it has not or what is omitted does not. */
function viewFields(forms: SharingEntry['forms'], dataset: Dataset | undefined): ViewedEntry['fields'] {
  return (dataset?.properties ?? []).flatMap(({ name, title, level }) => {
    const form = Object.hasOwn(forms, name) ? forms[name] : undefined
    return form === undefined || form === 'omit' ? [] : [{ name, title, level, form }]
  })
}

function viewEntry({ forms, ...entry }: SharingEntry, datasets: ReadonlyMap<string, Dataset>): ViewedEntry {
  const dataset = datasets.get(entry.dataset)
  return {
    ...entry,
    title: dataset?.title ?? entry.dataset,
    titleEn: dataset?.titleEn ?? entry.dataset,
    personal: dataset === undefined || isPersonal(dataset),
    feeds: entry.feeds.map(viewFeed),
    fields: viewFields(forms, dataset),
    area: [...entry.area],
    validFrom: entry.validFrom.toISOString(),
    validTo: entry.validTo.toISOString(),
    grantedAt: entry.grantedAt.toISOString(),
  }
}

const formNames: Readonly<Record<FieldForm, string>> = {
  omit: '不提供',
  mask: '脱敏',
  token: '令牌',
  generalise: '泛化',
  clear: '明文',
}

const lines = (texts: readonly (string | null)[]): string =>
  [...new Set(texts.filter((one) => one !== null && one !== ''))].join('；')

/** The columns of the list as a file, each with its head in both languages. */
const columns: readonly (readonly [head: string, cell: (entry: ViewedEntry) => string])[] = [
  ['共享协议 agreement', ({ agreement }) => agreement],
  ['使用方 consumer', ({ consumer }) => consumer],
  ['数据资源 dataset', ({ title, dataset }) => `${title} ${dataset}`],
  ['含个人信息 personal', ({ personal }) => (personal ? '是 yes' : '否 no')],
  ['数源部门 departments', ({ feeds }) => lines(feeds.map(({ departmentName }) => departmentName))],
  ['数据接入 feeds', ({ feeds }) => lines(feeds.map(({ feed }) => feed))],
  [
    '法律依据 basis',
    ({ feeds }) => lines(feeds.map(({ law, article }) => (law === null ? null : `${law} ${article}`))),
  ],
  ['共享条款 Luzhou article', ({ feeds }) => lines(feeds.map(({ luzhouArticle }) => luzhouArticle))],
  ['目的事项 purpose', ({ purpose, purposeName }) => `${purposeName ?? ''} ${purpose}`.trim()],
  ['批准文号 approval', ({ approvalNo }) => approvalNo ?? ''],
  [
    '字段及形态 fields and forms',
    ({ fields }) =>
      lines(fields.map(({ title, name, form }) => `${title} ${name}（${formNames[form as FieldForm]} ${form}）`)),
  ],
  ['区域 area', ({ area }) => lines(area)],
  ['方式 method', ({ method }) => (method === 'copy' ? '拉取推送 copy' : '单条查询 query')],
  ['每日限额 records per day', ({ recordsPerDay }) => recordsPerDay?.toString() ?? ''],
  ['起 from', ({ validFrom }) => validFrom],
  ['止 to', ({ validTo }) => validTo],
  ['状态 state', ({ state }) => state],
  ['授权人 granted by', ({ grantedBy }) => grantedBy],
  ['授权时间 granted at', ({ grantedAt }) => grantedAt],
]

const writeCsv = (entries: readonly ViewedEntry[]): Promise<Buffer> =>
  fileForms.csv.write({
    head: columns.map(([head]) => head),
    rows: entries.map((entry) => columns.map(([, cell]) => cellText(cell(entry)))),
  })

const summary = '共享清单 / What is shared with whom: basis, purpose, fields and forms, area, term'
const described = describeRoute('showSharingList', summary, SharingList)
const listSchema = {
  ...described,
  security: consumerSecurity,
  querystring: ListQuery,
  response: {
    ...described.response,
    200: {
      description: summary,
      content: { 'application/json': { schema: SharingList }, [fileForms.csv.mediaType]: { schema: Type.Unknown() } },
    },
  },
}

const showSharingListRoute: Route = (server, context) => {
  server.get('/api/v1/usage/sharing-list', { schema: listSchema }, async (request, reply) => {
    const scope = await admitViewer(context, request, 'usage.read')
    const entries = (await readSharingList(context.database.query, scope)).map((one) =>
      viewEntry(one, context.datasets),
    )
    if (request.query.format !== 'csv') return reply.send({ madeAt: new Date().toISOString(), entries })
    void reply.type(fileForms.csv.mediaType).header('content-disposition', 'attachment; filename="sharing-list.csv"')
    return reply.send(await writeCsv(entries))
  })
}

/** The list that the law wants of what is shared (政务数据共享条例 Art. 20 and 25). */
export const sharingListRoute = asPlugin([showSharingListRoute])
