import type { Static } from 'typebox'
import { AppError } from '../errors.ts'
import { closeWholeIncident, readIncidentFile, writeReport } from '../sharing/incident-report.ts'
import { actorOf, type Account } from '../store/accounts.ts'
import {
  changeIncident,
  findIncident,
  incidentName,
  insertIncidentNotice,
  listIncidents,
  lockIncident,
  openIncident,
  readDisclosed,
  type Incident,
  type IncidentChange,
} from '../store/incidents.ts'
import { admit } from './accounts.ts'
import {
  IncidentBody,
  IncidentChangeBody,
  IncidentClosureBody,
  IncidentList,
  IncidentNoticeBody,
  IncidentNumber,
  IncidentReport,
  IncidentView,
  viewIncident,
} from './incident-schemas.ts'
import { asPlugin, assertImpersonal, describeRoute, type ManagementContext, type Route } from './management.ts'

const fileOf = ({ database, jurisdiction }: ManagementContext, incident: Incident) =>
  readIncidentFile(database.query, incident, jurisdiction.incidentDuties)

const show = async (context: ManagementContext, incidentId: number) =>
  viewIncident(await fileOf(context, await findIncident(context.database.query, incidentId)))

/** Refuses texts that hold a number of a person: what is written of an incident is handed on. */
function assertAllImpersonal(body: Readonly<Record<string, unknown>>): void {
  for (const [place, words] of Object.entries(body)) if (typeof words === 'string') assertImpersonal(place, words)
}

/** Throws REQUEST_INVALID for a time that is still to come. */
function pastTime(place: string, text: string | undefined, now: Date): Date {
  const at = text === undefined ? now : new Date(text)
  if (at > now) throw new AppError('REQUEST_INVALID', `body/${place}: wanted a time that is past`)
  return at
}

const openRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'openIncident',
      '建立安全事件记录 / Open the record of an incident; its deadlines begin to run',
      IncidentView,
    ),
    body: IncidentBody,
  }
  server.post('/api/v1/incidents', { schema }, async ({ headers, body }) => {
    const account = await admit(context, headers.authorization, 'incident.manage')
    assertAllImpersonal(body)
    const now = new Date()
    const knownAt = pastTime('knownAt', body.knownAt, now)
    const beganAt = pastTime('beganAt', body.beganAt ?? body.knownAt, now)
    const { title, level, scope = null, name = null } = body
    const incident = { title, level, scope, name, knownAt, beganAt }
    const incidentId = await context.database.transaction((transaction) => openIncident(transaction, incident, account))
    return show(context, incidentId)
  })
}

const listRoute: Route = (server, context) => {
  const schema = describeRoute('listIncidents', '安全事件清单 / Incidents', IncidentList)
  server.get('/api/v1/incidents', { schema }, async ({ headers }) => {
    await admit(context, headers.authorization, 'incident.read')
    const found = await listIncidents(context.database.query, false)
    const files = await Promise.all(found.map((incident) => fileOf(context, incident)))
    return { incidents: files.map(viewIncident) }
  })
}

const showRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute('showIncident', '安全事件记录 / An incident with deadlines, notices and freezes', IncidentView),
    params: IncidentNumber,
  }
  server.get('/api/v1/incidents/:incidentId', { schema }, async ({ headers, params }) => {
    await admit(context, headers.authorization, 'incident.read')
    return show(context, params.incidentId)
  })
}

/** What becomes of an incident with a change: what is left out stays. */
function changed(incident: Incident, { beganAt, endedAt, ...rest }: Static<typeof IncidentChangeBody>): IncidentChange {
  const now = new Date()
  const state = incident.state === 'closed' ? 'open' : incident.state
  return {
    ...incident,
    state,
    ...rest,
    beganAt: beganAt === undefined ? incident.beganAt : pastTime('beganAt', beganAt, now),
    endedAt: endedAt === undefined ? incident.endedAt : endedAt === null ? null : pastTime('endedAt', endedAt, now),
  }
}

const changeRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute('changeIncident', '补充安全事件记录 / Add to the record of an incident', IncidentView),
    params: IncidentNumber,
    body: IncidentChangeBody,
  }
  server.post('/api/v1/incidents/:incidentId/contents', { schema }, async ({ headers, params, body }) => {
    const account = await admit(context, headers.authorization, 'incident.manage')
    assertAllImpersonal(body)
    await context.database.transaction(async (transaction) => {
      const incident = await lockIncident(transaction.query, params.incidentId)
      const change = changed(incident, body)
      if (change.endedAt !== null && change.endedAt < change.beganAt)
        throw new AppError('REQUEST_INVALID', 'body/endedAt: before it began')
      await changeIncident(transaction, incident, change, account)
    })
    return show(context, params.incidentId)
  })
}

const noticeRoute: Route = (server, context) => {
  const { database, jurisdiction } = context
  const schema = {
    ...describeRoute(
      'recordIncidentNotice',
      '登记报告或通知 / Record that somebody was told of an incident, or why nobody is',
      IncidentView,
    ),
    params: IncidentNumber,
    body: IncidentNoticeBody,
  }
  server.post('/api/v1/incidents/:incidentId/notices', { schema }, async ({ headers, params, body }) => {
    const account = await admit(context, headers.authorization, 'incident.manage')
    assertAllImpersonal(body)
    if (!jurisdiction.incidentDuties.some(({ duty }) => duty === body.duty))
      throw new AppError('REQUEST_INVALID', 'body/duty: the jurisdiction has no such duty')
    const notice = { ...body, noticedAt: pastTime('noticedAt', body.noticedAt, new Date()) }
    await database.transaction(async (transaction) => {
      const incident = await lockIncident(transaction.query, params.incidentId)
      await insertIncidentNotice(transaction, incident, notice, account)
    })
    return show(context, params.incidentId)
  })
}

const closeRoute: Route = (server, context) => {
  const { database, jurisdiction } = context
  const schema = {
    ...describeRoute(
      'closeIncident',
      '安全事件办结 / Close an incident with its review',
      IncidentView,
      'By another person than who opened it, with a whole record, every notice sent or waived and every freeze lifted.',
    ),
    params: IncidentNumber,
    body: IncidentClosureBody,
  }
  server.post('/api/v1/incidents/:incidentId/closure', { schema }, async ({ headers, params, body }) => {
    const account = await admit(context, headers.authorization, 'incident.manage')
    assertImpersonal('review', body.review)
    await database.transaction((transaction) =>
      closeWholeIncident(transaction, params.incidentId, jurisdiction.incidentDuties, body.review, account),
    )
    return show(context, params.incidentId)
  })
}

async function makeReport(context: ManagementContext, incidentId: number, account: Account) {
  const { database } = context
  const incident = await findIncident(database.query, incidentId)
  const file = await fileOf(context, incident)
  const disclosed = await readDisclosed(database.query, incident)
  await database.transaction(({ audit }) =>
    audit({ type: 'incident.reported', actor: actorOf(account), outcome: 'ok', object: incidentName(incidentId) }),
  )
  const madeAt = new Date()
  return {
    madeAt: madeAt.toISOString(),
    incident: viewIncident(file),
    disclosed: disclosed.map((one) => ({
      ...one,
      firstAt: one.firstAt.toISOString(),
      lastAt: one.lastAt.toISOString(),
    })),
    text: writeReport(file, disclosed, madeAt),
  }
}

const reportRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'reportIncident',
      '导出安全事件报告 / The report of an incident, with what left to whom in its time',
      IncidentReport,
    ),
    params: IncidentNumber,
  }
  server.get('/api/v1/incidents/:incidentId/report', { schema }, async ({ headers, params }) => {
    const account = await admit(context, headers.authorization, 'incident.read')
    return makeReport(context, params.incidentId, account)
  })
}

/** The record of an incident from its opening to its review. */
export const incidentRoutes = asPlugin([
  openRoute,
  listRoute,
  showRoute,
  changeRoute,
  noticeRoute,
  closeRoute,
  reportRoute,
])
