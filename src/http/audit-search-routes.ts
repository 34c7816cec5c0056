import { Type } from 'typebox'
import { cellText } from '../ingest/rejections/cell-text.ts'
import { fileForms } from '../ingest/table-files.ts'
import { reportPerson, searchLog, type FoundPage } from '../sharing/who-saw.ts'
import { actorOf, admit } from './accounts.ts'
import { AuditPage, AuditSearchBody, PersonReportBody, readSearch, viewEntry, viewPage } from './audit-schemas.ts'
import { asPlugin, assertImpersonal, describeRoute, type Route } from './management.ts'

const searchRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'searchAudit',
      '查询审计日志；按证件查询何人查看过此人 / Search the audit log; with a person, who saw that person',
      AuditPage,
      'The search is written down before it is answered. Entries of the last seconds show in a search without a person a little later.',
    ),
    body: AuditSearchBody,
  }
  server.post('/api/v1/audit/searches', { schema }, async ({ headers, body }, reply) => {
    const account = await admit(context, headers.authorization, 'audit.search')
    // What is looked for is written down, and a number of a person belongs into `person` alone.
    for (const place of ['actor', 'object', 'purpose', 'dataset', 'department'] as const)
      assertImpersonal(place, body[place] ?? null)
    void reply.header('cache-control', 'no-store')
    return viewPage(await searchLog(context, actorOf(account), readSearch(body)))
  })
}

const columns = [
  ['时间 time', 'time'],
  ['事件 event', 'event'],
  ['使用方 actor', 'actor'],
  ['结果 outcome', 'outcome'],
  ['用途 purpose', 'purpose'],
  ['协议 agreement', 'agreement'],
  ['数据资源 dataset', 'dataset'],
  ['部门 department', 'department'],
  ['条数 records', 'count'],
  ['日志序号 place in the log', 'leafIndex'],
  ['已签名 signed', 'signed'],
] as const

/** How the report becomes a file. */
export const personReportForms = {
  json: {
    mediaType: 'application/json; charset=utf-8',
    write: async (page: FoundPage) => Buffer.from(JSON.stringify(viewPage(page))),
  },
  csv: {
    mediaType: fileForms.csv.mediaType,
    write: (page: FoundPage) =>
      fileForms.csv.write({
        head: columns.map(([head]) => head),
        rows: page.entries.map(viewEntry).map((entry) => columns.map(([, name]) => cellText(entry[name]))),
      }),
  },
} as const

const summary = '导出何人查看过此人的报告 / The report of who saw one person, for that person (PIPL Art. 44, 45)'

const reportRoute: Route = (server, context) => {
  const described = describeRoute(
    'reportAuditedPerson',
    summary,
    AuditPage,
    'At most 10,000 entries a file, the newest first; where there are more, the header x-next-cursor says how to go on.',
  )
  const content = { ...described.response[200].content, [fileForms.csv.mediaType]: { schema: Type.Unknown() } }
  const response = { ...described.response, 200: { description: summary, content } }
  const schema = { ...described, response, body: PersonReportBody }
  server.post('/api/v1/audit/person-reports', { schema }, async ({ headers, body }, reply) => {
    const account = await admit(context, headers.authorization, 'audit.search')
    const { format = 'json', person, ...asked } = body
    const page = await reportPerson(context, actorOf(account), { ...readSearch(asked), person })
    const { mediaType, write } = personReportForms[format]
    if (page.before !== null) void reply.header('x-next-cursor', page.before)
    void reply.header('cache-control', 'no-store').type(mediaType)
    void reply.header('content-disposition', `attachment; filename="who-saw.${format}"`)
    return reply.send(await write(page))
  })
}

/** What the audit administrator sees of the log: who did what, and who saw one person. */
export const auditSearchRoutes = asPlugin([searchRoute, reportRoute])
