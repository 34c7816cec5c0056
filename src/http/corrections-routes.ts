import { hash } from 'node:crypto'
import { Type } from 'typebox'
import { closeOwnCorrection, raiseCorrection, type CorrectionContext } from '../sharing/corrections.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { readCorrections } from '../store/corrections.ts'
import { recogniseClient } from './clients.ts'
import { describeSharing, NoticeQuery, pageEnd, readPage, refusing } from './consumers.ts'
import { CorrectionBody, CorrectionView, viewCorrection } from './correction-schemas.ts'
import { asPlugin, type ManagementContext, type Route } from './management.ts'

const CorrectionPage = Type.Object(
  {
    corrections: Type.Array(CorrectionView, { description: 'In the order in which they last changed' }),
    ...pageEnd,
  },
  { title: 'CorrectionPage' },
)

const CorrectionNumber = Type.Object({
  correctionId: Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Number of the correction' }),
})

const contextOf = (context: ManagementContext): CorrectionContext => ({
  ...context,
  clocks: context.jurisdiction.clocks,
})

const raiseCorrectionRoute: Route = (server, context) => {
  server.post(
    '/api/v1/corrections',
    {
      schema: {
        ...describeSharing(
          'raiseCorrection',
          '提出校核异议 / Report that a record is wrong; its department answers within working days',
          CorrectionView,
          'Needs an agreement for the dataset that grants the field. The same reference again gives the first ticket; with other content 409. A record that is unknown, gone or out of reach is 404.',
        ),
        body: CorrectionBody,
      },
    },
    async (request) => {
      const { body } = request
      const client = await recogniseClient(context, request)
      const { field = null, observed = null, note = null, evidenceAt, ...report } = body
      const given = { ...report, field, observed, note, evidenceAt: new Date(evidenceAt) }
      const raise = () => raiseCorrection(contextOf(context), client, given)
      return viewCorrection(await refusing(context, client, body.dataset, raise))
    },
  )
}

const listOwnCorrectionsRoute: Route = (server, context) => {
  const { database, auditDeadlineMs } = context
  server.get(
    '/api/v1/corrections',
    {
      schema: {
        ...describeSharing(
          'listOwnCorrections',
          '查询本使用方的校核异议 / Your corrections in the order in which they last changed',
          CorrectionPage,
        ),
        querystring: NoticeQuery,
      },
    },
    async (request, reply) => {
      const { consumerId, name } = await recogniseClient(context, request)
      const { items, ...end } = await readPage(request.query, (after, most) =>
        readCorrections(database.query, consumerId, after, most),
      )
      const corrections = items.map(viewCorrection)
      await auditBeforeAnswer(database, 'corrections', auditDeadlineMs, ({ audit }) =>
        audit({
          type: 'corrections.viewed',
          actor: `consumer:${name}`,
          outcome: 'ok',
          count: corrections.length,
          outputDigest: hash('sha256', JSON.stringify(corrections)),
        }),
      )
      void reply.header('cache-control', 'no-store')
      return { corrections, ...end }
    },
  )
}

const closeCorrectionRoute: Route = (server, context) => {
  server.post(
    '/api/v1/corrections/:correctionId/closure',
    {
      schema: {
        ...describeSharing(
          'closeCorrection',
          '办结校核异议 / Close a correction that was synced, refused or not found',
          CorrectionView,
          'One that nobody closes is closed by itself after as many working days as the department had to answer.',
        ),
        params: CorrectionNumber,
      },
    },
    async (request) => {
      const client = await recogniseClient(context, request)
      return viewCorrection(await closeOwnCorrection(context, client, request.params.correctionId))
    },
  )
}

/** The way back for consumers: what they say is wrong with a record, and what became of it. */
export const correctionsRoutes = asPlugin([raiseCorrectionRoute, listOwnCorrectionsRoute, closeCorrectionRoute])
