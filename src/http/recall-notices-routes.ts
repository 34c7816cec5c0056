import { Type } from 'typebox'
import { acknowledgeRecall } from '../sharing/recalls.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { readRecallNotices } from '../store/recall-notices.ts'
import { recogniseClient } from './clients.ts'
import { describeSharing, NoticeQuery, pageEnd, readPage } from './consumers.ts'
import { asPlugin, assertImpersonal, type Route } from './management.ts'
import { AcknowledgementBody, RecallNoticeView, viewRecallNotice } from './recall-schemas.ts'

const RecallNoticePage = Type.Object(
  {
    recalls: Type.Array(RecallNoticeView, { description: 'In the order in which they last changed' }),
    ...pageEnd,
  },
  { title: 'RecallNoticePage' },
)

const RecallNumber = Type.Object({
  recallId: Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Number of the recall' }),
})

const listRecallNoticesRoute: Route = (server, context) => {
  const { database, auditDeadlineMs } = context
  server.get(
    '/api/v1/recalls',
    {
      schema: {
        ...describeSharing(
          'listRecallNotices',
          '查询数据召回 / Recalls of records that you may have received',
          RecallNoticePage,
        ),
        querystring: NoticeQuery,
      },
    },
    async (request, reply) => {
      const { consumerId, name } = await recogniseClient(context, request)
      const { items, ...end } = await readPage(request.query, (after, most) =>
        readRecallNotices(database.query, consumerId, after, most),
      )
      await auditBeforeAnswer(database, 'recalls', auditDeadlineMs, ({ audit }) =>
        audit({ type: 'notices.pulled', actor: `consumer:${name}`, outcome: 'ok', count: items.length }),
      )
      void reply.header('cache-control', 'no-store')
      return { recalls: items.map(viewRecallNotice), ...end }
    },
  )
}

const acknowledgeRecallRoute: Route = (server, context) => {
  server.post(
    '/api/v1/recalls/:recallId/acknowledgement',
    {
      schema: {
        ...describeSharing(
          'acknowledgeRecall',
          '确认召回并提交回执 / Say that recalled records were removed; the receipt is kept as proof',
          RecallNoticeView,
          'The same receipt again is answered as before; another one is 409.',
        ),
        params: RecallNumber,
        body: AcknowledgementBody,
      },
    },
    async (request) => {
      const { params, body } = request
      const client = await recogniseClient(context, request)
      assertImpersonal('receipt', body.receipt)
      return viewRecallNotice(await acknowledgeRecall(context, client, params.recallId, body))
    },
  )
}

/** Recalls as consumers see them. */
export const recallNoticesRoutes = asPlugin([listRecallNoticesRoute, acknowledgeRecallRoute])
