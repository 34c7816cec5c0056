import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import { openSecrets } from '../ingest/feed-source.ts'
import { asPushFeed, assertTakesBatches, readBatch, type PushFeed } from '../ingest/receive-batch.ts'
import { verifyRequest } from '../security/request-signature.ts'
import { findFeed } from '../store/feeds.ts'
import { takeNonce } from '../store/nonces.ts'
import { findReceipt } from '../store/push-batches.ts'
import { auditDenial, type ClientContext } from './clients.ts'
import { problemAnswers } from './problem-schema.ts'
import { bytesOf } from './request-bytes.ts'
import { assertClock, readSignedRequest, signedAt, SignatureHeaders, type SignedRequest } from './signed-requests.ts'

/** Signed with what was read: a larger body has no business in one batch. */
const MOST_BYTES = 16 * 1024 * 1024

const Receipt = Type.Object(
  {
    batchNo: Type.String({ description: "The department's own number" }),
    digest: Type.String({ description: 'SM3 of the body, hex' }),
    rows: Type.Integer({ description: 'Rows in the body' }),
    state: Type.String({ enum: ['received', 'read'], description: 'read: every row was judged' }),
    valid: Type.Integer({
      description: 'Rows that became records; with rejected they add up to rows once they were read',
    }),
    rejected: Type.Integer({ description: 'Rows that broke a rule; see the rejections of the feed' }),
    receivedAt: Type.String({ format: 'date-time', description: 'When the batch was received first' }),
    readAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], {
      description: 'When its last row was read',
    }),
  },
  { title: 'BatchReceipt' },
)

const batchNumber = Type.String({
  pattern: '^[A-Za-z0-9._-]{1,64}$',
  description: "The department's own number of the batch",
})

const Headers = Type.Intersect([SignatureHeaders, Type.Object({ 'x-batch-no': batchNumber })])

const FeedCode = Type.String({ maxLength: 40, description: 'Code of the feed' })

const answers = {
  200: { description: '回执 / The receipt', content: { 'application/json': { schema: Receipt } } },
  ...problemAnswers,
}

const posting = {
  operationId: 'postBatch',
  tags: ['posting'],
  summary: '报送一批数据 / Post a batch of rows',
  description:
    'A JSON array, NDJSON or, where the manifest takes one, a CSV or XLSX file. The same batch number with the same body again gets the first receipt.',
  security: [{ signature: [] }],
  params: Type.Object({ code: FeedCode }),
  headers: Headers,
  response: answers,
}

const asking = {
  operationId: 'readBatchReceipt',
  tags: ['posting'],
  summary: '查询回执 / Read the receipt of a batch',
  security: [{ signature: [] }],
  params: Type.Object({ code: FeedCode, batchNo: batchNumber }),
  headers: SignatureHeaders,
  response: answers,
}

interface Signed {
  readonly request: FastifyRequest
  readonly code: string
}

/** The feed that a request was signed for. Unknown feeds, feeds of other kinds and wrong keys look the same from outside. */
async function recogniseDepartment({ database, keys }: ClientContext, code: string, signed: SignedRequest) {
  const feed = await findFeed(database.query, code).then(asPushFeed, (error: unknown) => {
    if (error instanceof AppError && error.code === 'FEED_UNKNOWN') return null
    throw error
  })
  if (feed === null) throw new AppError('SIGNATURE_INVALID')
  const { auth } = feed.manifest.source
  const secrets = openSecrets(feed, keys)
  const [appKey, secret] = [secrets[auth.appKey] ?? '', secrets[auth.appSecret] ?? '']
  const isSigned = verifyRequest({ ...signed, appKey, secret }, signed.signature, signedAt(signed), auth.digest)
  if (signed.appKey !== appKey || !isSigned || secret === '') throw new AppError('SIGNATURE_INVALID')
  assertClock(signed)
  return feed
}

/** Recognises the department and uses the nonce up. A refusal is audited. */
async function admit(context: ClientContext, { request, code }: Signed): Promise<PushFeed> {
  try {
    const signed = readSignedRequest(request)
    const feed = await recogniseDepartment(context, code, signed)
    if (!(await takeNonce(context.database.query, `feed:${feed.feedId}`, signed.nonce)))
      throw new AppError('REQUEST_REPLAYED', 'sign it anew with another nonce')
    return feed
  } catch (error) {
    if (error instanceof AppError && error.status < 500) await auditDenial(context, 'department:unknown', error.code)
    throw error
  }
}

async function receive(context: ClientContext, signed: Signed) {
  const { database, keys, auditDeadlineMs } = context
  const { request } = signed
  const feed = await admit(context, signed)
  const body = bytesOf(request)
  assertTakesBatches(feed)
  const most = feed.manifest.limits.pageBytes
  if (body.length > most)
    throw new AppError('TOO_LARGE', `given ${body.length} bytes, wanted at most ${most}; post smaller batches`)
  const { 'x-batch-no': batchNo, 'content-type': contentType = '' } = request.headers
  const keep = await readBatch(feed, { batchNo: String(batchNo), contentType, body }, keys)
  try {
    return (await database.transaction(keep, auditDeadlineMs)).receipt
  } catch (error) {
    if (error instanceof AppError && error.code === 'BATCH_CONFLICT')
      await auditDenial(context, `department:${feed.department}`, error.code, feed.dataset)
    throw error
  }
}

/** Where departments post what they would rather not be asked for. */
export const batchesRoute: FastifyPluginAsyncTypebox<ClientContext> = async (server, context) => {
  // The signature is over the bytes as they came, so nothing is parsed before it was verified.
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MOST_BYTES }, (_request, body, done) =>
    done(null, body),
  )
  server.post('/api/v1/feeds/:code/batches', { schema: posting, bodyLimit: MOST_BYTES }, async (request) => {
    const receipt = await receive(context, { request, code: request.params.code })
    return { ...receipt, receivedAt: receipt.receivedAt.toISOString(), readAt: receipt.readAt?.toISOString() ?? null }
  })
  server.get('/api/v1/feeds/:code/batches/:batchNo', { schema: asking }, async (request) => {
    const { code, batchNo } = request.params
    const feed = await admit(context, { request, code })
    const receipt = await findReceipt(context.database.query, feed.feedId, batchNo)
    if (receipt === null) throw new AppError('BATCH_UNKNOWN', batchNo)
    return { ...receipt, receivedAt: receipt.receivedAt.toISOString(), readAt: receipt.readAt?.toISOString() ?? null }
  })
}
