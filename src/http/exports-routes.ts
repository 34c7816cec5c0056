import { Type, type TSchema } from 'typebox'
import { AppError, toAppError } from '../errors.ts'
import { describeExport, findExportPart } from '../sharing/export-download.ts'
import { forgetExport, requestExport } from '../sharing/export-request.ts'
import { findExport, listExports } from '../store/exports.ts'
import { readByteRange, type ByteRange } from './byte-range.ts'
import { consumerSecurity, auditDenial, recogniseClient } from './clients.ts'
import { addCheckpoint } from './checkpoint-header.ts'
import { exportApprovalsRoutes } from './export-approvals-routes.ts'
import {
  ExportList,
  ExportNumber,
  ExportView,
  ManifestView,
  PartNumber,
  viewExport,
  viewManifest,
} from './export-schemas.ts'
import { asGranted } from './granted.ts'
import { asPlugin, type ManagementContext, type Route } from './management.ts'
import { problemAnswers } from './problem-schema.ts'

const FILE_TYPE = 'application/x-ndjson+gzip'

const describe = (operationId: string, summary: string) => ({
  operationId,
  tags: ['sharing'],
  summary,
  security: consumerSecurity,
})

const answer = <Answer extends TSchema>(description: string, schema: Answer) => ({
  description,
  content: { 'application/json': { schema } },
})

type Client = Awaited<ReturnType<typeof recogniseClient>>

/** Writes down that a consumer was told no, and passes it on. */
const denyTo =
  (context: ManagementContext, client: Client) =>
  async (error: unknown): Promise<never> => {
    const { code, status } = toAppError(error)
    if (status === 403) await auditDenial(context, `consumer:${client.name}`, code)
    throw error
  }

const requestRoute: Route = (server, context) => {
  const summary = '申请批量导出 / Ask for all that the agreement grants, as files'
  const schema = {
    ...describe('requestExport', summary),
    response: { 202: answer('已受理 / Taken up', ExportView), ...problemAnswers },
    description:
      'Made in the background; ask for it at the address in Location. More persons than the installation allows for at once wait for two people to agree.',
    params: Type.Object({
      dataset: Type.String({ enum: [...context.datasets.keys()].toSorted(), description: 'Name of the dataset' }),
    }),
  }
  server.post('/api/v1/datasets/:dataset/exports', { schema }, async (request, reply) => {
    const { dataset } = request.params
    const made = await asGranted(context, request, dataset, (agreement, bounded) => requestExport(bounded, agreement))
    void reply.status(202).header('location', `/api/v1/exports/${made.exportId}`)
    return viewExport(made)
  })
}

const listRoute: Route = (server, context) => {
  const summary = '本使用方的批量导出 / The exports that this consumer asked for'
  const schema = {
    ...describe('listExports', summary),
    response: { 200: answer(summary, ExportList), ...problemAnswers },
  }
  server.get('/api/v1/exports', { schema }, async (request) => {
    const client = await recogniseClient(context, request)
    return { exports: (await listExports(context.database.query, client.consumerId)).map(viewExport) }
  })
}

const readRoute: Route = (server, context) => {
  const summary = '批量导出进度 / Where an export stands'
  const schema = {
    ...describe('readExport', summary),
    params: ExportNumber,
    response: { 200: answer(summary, ExportView), ...problemAnswers },
  }
  server.get('/api/v1/exports/:exportId', { schema }, async (request) => {
    const client = await recogniseClient(context, request)
    return viewExport(await findExport(context.database.query, request.params.exportId, client.consumerId))
  })
}

const forgetRoute: Route = (server, context) => {
  const summary = '取消或清除批量导出 / End an export; its files go'
  const schema = {
    ...describe('forgetExport', summary),
    params: ExportNumber,
    response: { 200: answer(summary, ExportView), ...problemAnswers },
  }
  server.delete('/api/v1/exports/:exportId', { schema }, async (request) => {
    const client = await recogniseClient(context, request)
    return viewExport(await forgetExport(context, request.params.exportId, client.consumerId))
  })
}

const manifestRoute: Route = (server, context) => {
  const summary = '批量导出清单 / Every file with its counts and digest, and where to go on'
  const schema = {
    ...describe('readExportManifest', summary),
    params: ExportNumber,
    response: { 200: answer(summary, ManifestView), ...problemAnswers },
  }
  server.get('/api/v1/exports/:exportId/manifest', { schema }, async (request, reply) => {
    const client = await recogniseClient(context, request)
    const { exportId } = request.params
    const manifest = await describeExport(context, exportId, client.consumerId).catch(denyTo(context, client))
    void reply.header('cache-control', 'no-store')
    return viewManifest(manifest)
  })
}

/** Each holds a file of some megabytes until it is sent. */
const MOST_DOWNLOADS = 20

/** What the request asks for of a file that is `bytes` long; null: all of it. A range of another file counts for nothing. */
function rangeOf(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  tag: string,
  bytes: number,
): ByteRange | null {
  const [range, condition] = [headers['range'], headers['if-range']]
  if (typeof range !== 'string' || (condition !== undefined && condition !== tag)) return null
  return readByteRange(range, bytes)
}

const partRoute: Route = (server, context) => {
  const summary = '下载批量导出文件 / One file of an export: NDJSON, compressed by gzip'
  const file = { [FILE_TYPE]: { schema: Type.Unknown() } }
  const schema = {
    ...describe('downloadExportPart', summary),
    description:
      'Lines of JSON, each a change as in the change feed. A download that broke off goes on with Range and, as If-Range, the ETag of the answer before.',
    params: PartNumber,
    response: {
      200: { description: summary, content: file },
      206: { description: '文件的一段 / A part of the file', content: file },
      ...problemAnswers,
    },
  }
  let open = 0
  const onRequest = async (): Promise<void> => {
    open += 1
    if (open > MOST_DOWNLOADS) throw new AppError('BUSY', `${MOST_DOWNLOADS} files are being sent; ask again later`)
  }
  const onResponse = async (): Promise<void> => {
    open -= 1
  }
  server.get('/api/v1/exports/:exportId/parts/:number', { schema, onRequest, onResponse }, async (request, reply) => {
    const client = await recogniseClient(context, request)
    const { exportId, number } = request.params
    const found = await findExportPart(context, exportId, number, client.consumerId).catch(denyTo(context, client))
    const { bytes, digest } = found.part
    const tag = `"${digest}"`
    // A refusal tells the length, as RFC 9110 §14.4 wants it.
    void reply.header('content-range', `bytes */${bytes}`)
    const range = rangeOf(request.headers, tag, bytes)
    void reply.removeHeader('content-range')
    const body = await found.open(range ?? { from: 0, to: bytes - 1 })
    if (range !== null) void reply.status(206).header('content-range', `bytes ${range.from}-${range.to}/${bytes}`)
    await addCheckpoint(reply, context.database)
    void reply.header('accept-ranges', 'bytes').header('etag', tag).header('cache-control', 'no-store')
    return reply.type(FILE_TYPE).send(body)
  })
}

/** Bulk export: asking, watching, the manifest and the files for consumers; agreeing for accounts. */
export const exportsRoutes = asPlugin([
  requestRoute,
  listRoute,
  readRoute,
  forgetRoute,
  manifestRoute,
  partRoute,
  ...exportApprovalsRoutes,
])
