import { Type, type Static } from 'typebox'
import { reportKinds, type ReportKind } from '../audit/reports.ts'
import { AppError } from '../errors.ts'
import { makeReport } from '../jobs/audit-reports.ts'
import { agreeToPrune } from '../jobs/pruning.ts'
import { writeReportCsv } from '../jobs/report-csv.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { checkScopes, listLogChecks, type LogCheck } from '../store/log-check.ts'
import { listPrunings, type Pruning } from '../store/pruning.ts'
import { listReports, readReport, type KeptReport } from '../store/reports.ts'
import { actorOf, admit } from './accounts.ts'
import { asPlugin, describeRoute, type Route } from './management.ts'

const number = (description: string) => Type.Integer({ minimum: 1, maximum: 2_147_483_647, description })
const textOrNull = (description: string) => Type.Union([Type.String(), Type.Null()], { description })
const Kind = Type.String({
  enum: [...reportKinds],
  description: 'weekly 周报, provision 对外提供台账, yearly 年度合规审计底稿',
})
const Day = (description: string) =>
  Type.String({ pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$', maxLength: 10, description })

const kept = {
  reportId: number('Number of the report'),
  kind: Kind,
  from: Day('First day, China Standard Time'),
  to: Day('Last day'),
  madeBy: Type.String({ description: 'Who made it; system:scheduler where it was made by itself' }),
  madeAt: Type.String({ description: 'When' }),
  digest: Type.String({ description: 'SHA-256 of its JSON; its audit entry has the same' }),
}
const Words = { zh: Type.String({ description: '中文' }), en: Type.String({ description: 'English' }) }
const KeptList = Type.Object(
  { reports: Type.Array(Type.Object(kept), { description: 'The newest first, 200 at most' }) },
  { title: 'AuditReports' },
)
const ReportView = Type.Object(
  {
    ...kept,
    ...Words,
    sections: Type.Array(
      Type.Object({
        ...Words,
        columns: Type.Array(Type.Object({ name: Type.String({ description: 'Name of the column' }), ...Words }), {
          description: 'Columns of the table',
        }),
        rows: Type.Array(Type.Array(Type.Union([Type.String(), Type.Number(), Type.Null()])), {
          description: 'Rows, cell by cell',
        }),
      }),
      { description: 'Its tables' },
    ),
  },
  { title: 'AuditReport' },
)
const ReportBody = Type.Object(
  { kind: Kind, from: Day('First day, yyyy-MM-dd, China Standard Time'), to: Day('Last day; 366 days at most') },
  { additionalProperties: false, title: 'NewAuditReport' },
)

const viewKept = ({ madeAt, ...report }: KeptReport): Static<typeof KeptList>['reports'][number] => ({
  ...report,
  madeAt: madeAt.toISOString(),
})

const listReportsRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute('listAuditReports', '审计报告列表 / Reports that were made and are kept', KeptList),
    querystring: Type.Object({ kind: Type.Optional(Kind) }),
  }
  server.get('/api/v1/audit/reports', { schema }, async ({ headers, query }) => {
    await admit(context, headers.authorization, 'report.read')
    const reports = await listReports(context.database.query, (query.kind as ReportKind | undefined) ?? null)
    return { reports: reports.map(viewKept) }
  })
}

const makeReportRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute('makeAuditReport', '生成审计报告 / Make a report of a period and keep it', ReportView),
    body: ReportBody,
  }
  server.post('/api/v1/audit/reports', { schema }, async ({ headers, body }) => {
    const account = await admit(context, headers.authorization, 'report.make')
    const made = await makeReport(context.database, { ...body, kind: body.kind as ReportKind }, actorOf(account))
    if (made === null) throw new AppError('INTERNAL')
    const { report, ...facts } = made
    return { ...report, ...viewKept(facts) }
  })
}

const readReportRoute: Route = (server, context) => {
  const summary = '查看审计报告 / One report, as JSON or, with format=csv, as a file for a spreadsheet'
  const described = describeRoute('readAuditReport', summary, ReportView)
  const { content } = described.response[200]
  const csv = {
    'text/csv': { schema: Type.String({ description: 'RFC 4180, UTF-8 with a mark; no cell begins a formula' }) },
  }
  const schema = {
    ...described,
    response: { ...described.response, 200: { description: summary, content: { ...content, ...csv } } },
    params: Type.Object({ reportId: number('Number of the report') }),
    querystring: Type.Object({
      format: Type.Optional(Type.String({ enum: ['json', 'csv'], default: 'json', description: 'json or csv' })),
    }),
  }
  server.get('/api/v1/audit/reports/:reportId', { schema }, async ({ headers, params, query }, reply) => {
    const account = await admit(context, headers.authorization, 'report.read')
    const { report, ...facts } = await readReport(context.database.query, params.reportId)
    const fact = { actor: actorOf(account), outcome: 'ok', object: `report/${facts.reportId}` } as const
    await auditBeforeAnswer(context.database, 'report.read', context.auditDeadlineMs, ({ audit }) =>
      audit({ ...fact, type: 'report.read', outputDigest: facts.digest }),
    )
    void reply.header('cache-control', 'no-store')
    if (query.format !== 'csv') return { ...report, ...viewKept(facts) }
    const name = `${facts.kind}-${facts.from}-${facts.to}.csv`
    void reply.header('content-disposition', `attachment; filename="${name}"`)
    return reply.type('text/csv; charset=utf-8').send(writeReportCsv(report))
  })
}

const CheckList = Type.Object(
  {
    checks: Type.Array(
      Type.Object({
        scope: Type.String({
          enum: [...checkScopes],
          description: 'new: new entries and the next old ones; whole: all of it',
        }),
        state: Type.String({ enum: ['whole', 'tampered', 'undecided'], description: 'What was found' }),
        beganAt: Type.String({ description: 'When the last look began' }),
        endedAt: Type.String({ description: 'When it was over' }),
        entries: Type.Integer({ description: 'Entries that it looked at' }),
        upto: Type.Integer({ description: 'Up to which place of the tree everything was looked at' }),
        fault: textOrNull('What is wrong, and at which place'),
      }),
      { description: 'The last look of each kind' },
    ),
  },
  { title: 'LogChecks' },
)

const viewCheck = ({ resumesAt: _resumesAt, beganAt, endedAt, ...check }: LogCheck) => ({
  ...check,
  beganAt: beganAt.toISOString(),
  endedAt: endedAt.toISOString(),
})

const checksRoute: Route = (server, context) => {
  const schema = describeRoute(
    'listLogChecks',
    '日志自检结果 / How the product last found its own audit log',
    CheckList,
  )
  server.get('/api/v1/audit/checks', { schema }, async ({ headers }) => {
    await admit(context, headers.authorization, 'log.read')
    return { checks: (await listLogChecks(context.database.query)).map(viewCheck) }
  })
}

const PruningView = Type.Object(
  {
    pruningId: number('Number of the request'),
    from: Type.String({ description: 'Beginning of the oldest month' }),
    until: Type.String({ description: 'Beginning of the first month that stays' }),
    firstIndex: Type.Integer({ description: 'First place of the tree that goes' }),
    minIndex: Type.Integer({ description: 'First place that stays' }),
    archiveSha256: Type.String({ description: 'SHA-256 of the archive' }),
    archiveSm3: Type.String({ description: 'SM3 of the archive' }),
    requestedBy: Type.String({ description: 'Who made the archive and asked' }),
    requestedAt: Type.String({ description: 'When' }),
    approvedBy: textOrNull('Who agreed'),
    approvedAt: textOrNull('When'),
    removed: Type.Union([Type.Integer(), Type.Null()], { description: 'Entries that were removed' }),
    doneAt: textOrNull('When'),
  },
  { title: 'Pruning' },
)
const PruningList = Type.Object(
  { prunings: Type.Array(PruningView, { description: 'The newest first' }) },
  { title: 'Prunings' },
)

const viewPruning = ({
  compactRange: _range,
  sm3Range: _sm3Range,
  lanesDigest: _lanes,
  ...pruning
}: Pruning): Static<typeof PruningView> => ({
  ...pruning,
  from: pruning.from.toISOString(),
  until: pruning.until.toISOString(),
  requestedAt: pruning.requestedAt.toISOString(),
  approvedAt: pruning.approvedAt?.toISOString() ?? null,
  doneAt: pruning.doneAt?.toISOString() ?? null,
})

const listPruningsRoute: Route = (server, context) => {
  const schema = describeRoute(
    'listPrunings',
    '审计日志清除申请 / Requests to remove old months of the log',
    PruningList,
  )
  server.get('/api/v1/audit/prunings', { schema }, async ({ headers }) => {
    await admit(context, headers.authorization, 'pruning.read')
    return { prunings: (await listPrunings(context.database.query)).map(viewPruning) }
  })
}

const approvePruningRoute: Route = (server, context) => {
  const summary = '批准清除已归档的旧月份 / Agree, as a second person, that archived months are removed'
  const schema = {
    ...describeRoute(
      'approvePruning',
      summary,
      PruningView,
      'Compare the digests with the archive that you were given first.',
    ),
    params: Type.Object({ pruningId: number('Number of the request') }),
  }
  server.post('/api/v1/audit/prunings/:pruningId/approve', { schema }, async ({ headers, params }) => {
    const account = await admit(context, headers.authorization, 'pruning.approve')
    return viewPruning(await agreeToPrune(context.database, params.pruningId, actorOf(account)))
  })
}

/** Reports of the log, how it was found, and what may leave it. */
export const auditRoutes = asPlugin([
  listReportsRoute,
  makeReportRoute,
  readReportRoute,
  checksRoute,
  listPruningsRoute,
  approvePruningRoute,
])
