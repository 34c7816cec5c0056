import { Type } from 'typebox'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { readNotices } from '../store/notices.ts'
import { recogniseClient } from './clients.ts'
import { describeSharing, NoticeQuery, pageEnd, readPage } from './consumers.ts'
import { asPlugin, type Route } from './management.ts'

const NoticeView = Type.Object(
  {
    type: Type.String({
      description:
        'correction.accepted, correction.answered, correction.synced, correction.closed, recall.issued; take no other amiss',
    }),
    at: Type.String({ description: 'When it came about' }),
    data: Type.Record(Type.String(), Type.Unknown(), { description: 'Ids, codes, counts and times' }),
  },
  { title: 'Notice' },
)

const NoticePage = Type.Object(
  { notices: Type.Array(NoticeView, { description: 'In commit order; a notice never changes' }), ...pageEnd },
  { title: 'NoticePage' },
)

const listNoticesRoute: Route = (server, context) => {
  const { database, auditDeadlineMs } = context
  server.get(
    '/api/v1/notices',
    {
      schema: {
        ...describeSharing(
          'listNotices',
          '使用方通知 / What you are told beside data: answered corrections, recalls',
          NoticePage,
        ),
        querystring: NoticeQuery,
      },
    },
    async (request, reply) => {
      const { consumerId, name } = await recogniseClient(context, request)
      const { items, ...end } = await readPage(request.query, (after, most) =>
        readNotices(database.query, consumerId, after, most),
      )
      const notices = items.map(({ type, at, data }) => ({ type, at: at.toISOString(), data: { ...data } }))
      await auditBeforeAnswer(database, 'notices', auditDeadlineMs, ({ audit }) =>
        audit({ type: 'notices.pulled', actor: `consumer:${name}`, outcome: 'ok', count: notices.length }),
      )
      void reply.header('cache-control', 'no-store')
      return { notices, ...end }
    },
  )
}

/** What consumers are told beside data. */
export const noticesRoute = asPlugin([listNoticesRoute])
