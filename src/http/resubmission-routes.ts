import { createHash } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type, type Static } from 'typebox'
import { datasetOf } from '../ingest/preview.ts'
import type { FileKind } from '../ingest/rejections/cell-text.ts'
import { readCorrectedCells } from '../ingest/rejections/corrected-files.ts'
import { exportRejections, MOST_EXPORTED, type ExportedTable } from '../ingest/rejections/export.ts'
import { resubmit, resubmitCells, type ResubmitContext, type ResubmitResult } from '../ingest/rejections/resubmit.ts'
import { fileForms } from '../ingest/table-files.ts'
import type { Account } from '../store/accounts.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import type { Feed } from '../store/feeds.ts'
import { listOpenRejections } from '../store/rejections.ts'
import { readScoped } from '../store/row-scope.ts'
import { actorOf } from './accounts.ts'
import { admitToFeed, describeRoute, type ManagementContext } from './management.ts'
import { problemAnswers } from './problem-schema.ts'
import { ReasonView, viewReason } from './rejection-routes.ts'
import { FeedCode } from './feed-schemas.ts'
import { RunView, viewRun } from './run-schemas.ts'

/** 5,000 rows of three kilobytes. */
const BODY_BYTES = 16 * 1024 * 1024
/** Rows read from the database at a time while a file is made. */
const READ_AT_ONCE = 500

const ExportQuery = Type.Object({
  format: Type.Optional(
    Type.String({
      enum: ['csv', 'xlsx'],
      default: 'csv',
      description: 'CSV in UTF-8 with a byte order mark, or a workbook',
    }),
  ),
  rule: Type.Optional(
    Type.String({ pattern: '^DQ-[0-9]{3}$', maxLength: 6, description: 'Only rows that broke this rule' }),
  ),
  cursor: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'From the header x-next-cursor of the file before; none means the first',
    }),
  ),
})

const ResubmittedRows = Type.Object({
  rows: Type.Array(
    Type.Object({
      rejectionId: Type.Integer({
        minimum: 1,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'Number of the rejection that it corrects',
      }),
      row: Type.Unknown({ description: 'The whole row as the source should have sent it' }),
    }),
    { minItems: 1, maxItems: MOST_EXPORTED, description: 'Corrected rows' },
  ),
})

const ResubmissionView = Type.Object(
  {
    run: RunView,
    results: Type.Array(
      Type.Object({
        rejectionId: Type.Integer({ description: 'Number of the rejection' }),
        outcome: Type.String({
          enum: ['resubmitted', 'refused'],
          description: 'refused: it waits on with new reasons',
        }),
        reasons: Type.Array(ReasonView, { description: 'Why it was refused once more' }),
      }),
      { description: 'In the order of the rows that were sent' },
    ),
  },
  { title: 'Resubmission' },
)

const viewResult = ({ run, results }: ResubmitResult): Static<typeof ResubmissionView> => ({
  run: viewRun(run),
  results: results.map((result) => ({ ...result, reasons: result.reasons.map(viewReason) })),
})

const contextOf = (context: ManagementContext, account: Account, feed: Feed): ResubmitContext => ({
  database: context.database,
  keys: context.keys,
  feed,
  dataset: datasetOf(feed.manifest, context.datasets),
  department: account.department ?? '',
  actor: actorOf(account),
})

const bodyKinds: Readonly<Record<string, FileKind>> = {
  'text/csv': 'csv',
  [fileForms.xlsx.mediaType]: 'xlsx',
}

/** The clear rows go back to the department that they came from; the entry is committed before they do. */
async function auditExport(
  { database, keys, auditDeadlineMs }: ManagementContext,
  account: Account,
  feed: Feed,
  table: ExportedTable,
  file: Buffer,
): Promise<void> {
  await auditBeforeAnswer(database, 'export', auditDeadlineMs, ({ audit }) =>
    audit({
      type: 'rejections.exported',
      actor: actorOf(account),
      outcome: 'ok',
      feed: feed.code,
      dataset: feed.dataset,
      count: table.rows.length,
      subjects: keys.personTokens(table.subjects),
      outputDigest: createHash('sha256').update(file).digest('hex'),
    }),
  )
}

/** Takes a department's refused rows home with advice, and brings them back corrected. */
export const resubmissionRoutes: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  const { database, keys } = context
  const summary = '导出问题数据 / Refused rows with clear values and advice, for the department that sent them'
  const exportSchema = {
    operationId: 'exportRejections',
    tags: ['management'],
    summary,
    description: `At most ${MOST_EXPORTED} rows a file; where there are more, the header x-next-cursor says how to go on.`,
    security: [{ token: [] }],
    params: FeedCode,
    querystring: ExportQuery,
    response: {
      200: {
        description: summary,
        content: {
          [fileForms.csv.mediaType]: { schema: Type.Unknown() },
          [fileForms.xlsx.mediaType]: { schema: Type.Unknown() },
        },
      },
      ...problemAnswers,
    },
  }
  server.get('/api/v1/feeds/:code/rejections/export', { schema: exportSchema }, async (request, reply) => {
    const { rule = null, cursor = 0, format } = request.query
    const kind: FileKind = format === 'xlsx' ? 'xlsx' : 'csv'
    const { code } = request.params
    const { account, feed } = await admitToFeed(context, request.headers.authorization, 'rejection.fix', code)
    const filter = { feedId: feed.feedId, department: account.department ?? '', rule, limit: READ_AT_ONCE }
    const read = (after: number) =>
      readScoped(database, account.department, (query) => listOpenRejections(query, { ...filter, after }))
    const table = await exportRejections(feed, datasetOf(feed.manifest, context.datasets), keys, read, cursor)
    const file = await fileForms[kind].write(table)
    await auditExport(context, account, feed, table, file)
    if (table.next !== null) void reply.header('x-next-cursor', table.next)
    void reply.header('cache-control', 'no-store').type(fileForms[kind].mediaType)
    void reply.header('content-disposition', `attachment; filename="${feed.code}-rejections.${kind}"`)
    return reply.send(file)
  })

  await server.register(correctedRowsRoute, context)
  await server.register(correctedFileRoute, context)
}

/** Corrected rows as JSON. */
const correctedRowsRoute: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  const resubmitSchema = {
    ...describeRoute(
      'resubmitRows',
      '重新报送修正数据 / Send corrected rows again, as a run of their own',
      ResubmissionView,
    ),
    params: FeedCode,
    body: ResubmittedRows,
  }
  server.post(
    '/api/v1/feeds/:code/rejections/resubmissions',
    { schema: resubmitSchema, bodyLimit: BODY_BYTES },
    async ({ headers, params, body }) => {
      const { account, feed } = await admitToFeed(context, headers.authorization, 'rejection.fix', params.code)
      return viewResult(await resubmit(contextOf(context, account, feed), body.rows))
    },
  )
}

/** In a scope of its own: only here a body may be a file. */
const correctedFileRoute: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  server.removeAllContentTypeParsers()
  server.addContentTypeParser(
    Object.keys(bodyKinds),
    { parseAs: 'buffer', bodyLimit: BODY_BYTES },
    async (_request: unknown, body: Buffer) => body,
  )
  const schema = {
    ...describeRoute(
      'resubmitFile',
      '重新报送修正文件 / Send an exported file back, corrected',
      ResubmissionView,
      'The body is the file, as text/csv or as a workbook. Columns may be left out, but not #rejection; a cell that is as it was exported changes nothing.',
    ),
    params: FeedCode,
    body: {
      description: 'The corrected file',
      content: Object.fromEntries(Object.keys(bodyKinds).map((type) => [type, { schema: Type.Unknown() }])),
    },
  }
  server.post(
    '/api/v1/feeds/:code/rejections/resubmissions/file',
    { schema, bodyLimit: BODY_BYTES },
    async (request) => {
      const { headers, params, body } = request
      const { account, feed } = await admitToFeed(context, headers.authorization, 'rejection.fix', params.code)
      const kind = bodyKinds[(headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? ''] ?? 'csv'
      const cells = await readCorrectedCells(kind, Buffer.isBuffer(body) ? body : Buffer.alloc(0))
      return viewResult(await resubmitCells(contextOf(context, account, feed), cells))
    },
  )
}
