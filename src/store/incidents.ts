import { auditEvents, type AuditEventType } from '../audit/events.ts'
import { AppError } from '../errors.ts'
import type { IncidentLevel } from '../feeds/jurisdiction.ts'
import { actorOf, type Account } from './accounts.ts'
import { clearObjectAlert } from './alerts.ts'
import type { Query, Transaction } from './database.ts'
import type { FreezeScope } from './freezes.ts'

/** What PIPL Art. 57 wants a notice to hold, and the counts; null while it is not known. */
export interface IncidentContents {
  readonly endedAt: Date | null
  /** Categories of information that leaked, were altered or lost. */
  readonly categories: string | null
  readonly causes: string | null
  readonly harm: string | null
  /** Remedial measures that were taken. */
  readonly measures: string | null
  /** What persons can do themselves. */
  readonly advice: string | null
  /** How to reach the handler. */
  readonly contact: string | null
  readonly persons: number | null
  readonly records: number | null
}

export interface NewIncident {
  readonly title: string
  readonly level: IncidentLevel
  /** What it is about; null: not known. */
  readonly scope: FreezeScope | null
  readonly name: string | null
  /** Since when it is known: the clocks of the notices run from here. */
  readonly knownAt: Date
  readonly beganAt: Date
}

export type IncidentState = 'open' | 'contained' | 'closed'

export interface Incident extends NewIncident, IncidentContents {
  readonly incidentId: number
  readonly state: IncidentState
  readonly openedBy: string
  readonly openedById: number
  readonly openedAt: Date
  readonly closedBy: string | null
  readonly closedAt: Date | null
  readonly review: string | null
}

export interface IncidentNotice {
  readonly duty: string
  /** `waived`: nobody is told, for the reason that `evidence` gives. */
  readonly decision: 'sent' | 'waived'
  readonly recipient: string
  /** Number of the document or receipt. */
  readonly evidence: string
  readonly noticedAt: Date
}

export interface KeptNotice extends IncidentNotice {
  readonly recordedBy: string
  readonly recordedAt: Date
}

export const incidentName = (incidentId: number): string => `incident/${incidentId}`

const factOf = (incidentId: number, account: Account) =>
  ({ actor: actorOf(account), outcome: 'ok', object: incidentName(incidentId) }) as const

const INCIDENT_COLUMNS = `incident_id as "incidentId", title, level, state, scope, incident.name, opener.name as "openedBy",
  opened_by as "openedById", opened_at as "openedAt", known_at as "knownAt", began_at as "beganAt", incident.ended_at as "endedAt", categories,
  causes, harm, measures, advice, contact, persons, records, closer.name as "closedBy", closed_at as "closedAt", review`
const INCIDENTS = `incident join account opener on opener.account_id = opened_by left join account closer on closer.account_id = closed_by`

export async function openIncident(
  { query, audit }: Transaction,
  incident: NewIncident,
  account: Account,
): Promise<number> {
  const { title, level, scope, name, knownAt, beganAt } = incident
  const [row] = await query<{ incidentId: number }>(
    `insert into incident (title, level, scope, name, known_at, began_at, opened_by) values ($1, $2, $3, $4, $5, $6, $7)
       returning incident_id as "incidentId"`,
    [title, level, scope, name, knownAt, beganAt, account.accountId],
  )
  const incidentId = row?.incidentId ?? 0
  await audit({ ...factOf(incidentId, account), type: 'incident.opened', details: { level, scope, name } })
  return incidentId
}

/** Throws INCIDENT_UNKNOWN. */
export async function findIncident(query: Query, incidentId: number): Promise<Incident> {
  const [incident] = await query<Incident>(`select ${INCIDENT_COLUMNS} from ${INCIDENTS} where incident_id = $1`, [
    incidentId,
  ])
  if (incident === undefined) throw new AppError('INCIDENT_UNKNOWN', `incident ${incidentId}`)
  return incident
}

/** Incidents, those that are not closed first and then the newest. */
export async function listIncidents(query: Query, isOpen: boolean): Promise<readonly Incident[]> {
  return query<Incident>(
    `select ${INCIDENT_COLUMNS} from ${INCIDENTS} where not $1 or state <> 'closed'
      order by state = 'closed', incident_id desc limit 500`,
    [isOpen],
  )
}

/** Holds the incident until the transaction ends. Throws INCIDENT_UNKNOWN, and INCIDENT_STATE for one that is closed. */
export async function lockIncident(query: Query, incidentId: number): Promise<Incident> {
  await query('select from incident where incident_id = $1 for update', [incidentId])
  const incident = await findIncident(query, incidentId)
  if (incident.state === 'closed') throw new AppError('INCIDENT_STATE', 'it is closed')
  return incident
}

export interface IncidentChange extends IncidentContents {
  readonly level: IncidentLevel
  readonly beganAt: Date
  readonly state: Exclude<IncidentState, 'closed'>
}

/** The columns in the order of the parameters of `changeIncident`. */
const changed = {
  level: 'level',
  state: 'state',
  beganAt: 'began_at',
  endedAt: 'ended_at',
  categories: 'categories',
  causes: 'causes',
  harm: 'harm',
  measures: 'measures',
  advice: 'advice',
  contact: 'contact',
  persons: 'persons',
  records: 'records',
} as const satisfies Record<keyof IncidentChange, string>
const CHANGED = Object.keys(changed) as readonly (keyof IncidentChange)[]

/** Replaces the contents of an incident. The entry names what was changed, not to what. */
export async function changeIncident(
  { query, audit }: Transaction,
  incident: Incident,
  change: IncidentChange,
  account: Account,
): Promise<void> {
  const { incidentId } = incident
  const set = CHANGED.map((member, index) => `${changed[member]} = $${index + 2}`).join(', ')
  await query(`update incident set ${set} where incident_id = $1`, [incidentId, ...CHANGED.map((one) => change[one])])
  const members = CHANGED.filter((one) => String(incident[one]) !== String(change[one])).join(' ')
  const details = { members, level: change.level, state: change.state }
  await audit({ ...factOf(incidentId, account), type: 'incident.changed', details })
}

/** Keeps that somebody was told, or why nobody is; the alerts of the duty are cleared. */
export async function insertIncidentNotice(
  { query, audit }: Transaction,
  { incidentId }: Incident,
  notice: IncidentNotice,
  account: Account,
): Promise<void> {
  const { duty, decision, recipient, evidence, noticedAt } = notice
  await query(
    `insert into incident_notice (incident_id, duty, decision, recipient, evidence, noticed_at, account_id) values ($1, $2, $3, $4, $5, $6, $7)`,
    [incidentId, duty, decision, recipient, evidence, noticedAt, account.accountId],
  )
  const alert = `${incidentName(incidentId)}/${duty}`
  await clearObjectAlert(query, alert, 'incident-due')
  await clearObjectAlert(query, alert, 'incident-overdue')
  const details = { duty, decision, noticedAt: noticedAt.toISOString() }
  await audit({ ...factOf(incidentId, account), type: 'incident.noticed', details })
}

export async function listNotices(query: Query, incidentId: number): Promise<readonly KeptNotice[]> {
  return query<KeptNotice>(
    `select duty, decision, recipient, evidence, noticed_at as "noticedAt", account.name as "recordedBy", recorded_at as "recordedAt"
       from incident_notice join account using (account_id) where incident_id = $1 order by notice_id`,
    [incidentId],
  )
}

/** Ends an incident with its review. Throws SECOND_PERSON for whoever opened it. */
export async function closeIncident(
  { query, audit }: Transaction,
  { incidentId, openedById }: Incident,
  review: string,
  account: Account,
): Promise<void> {
  if (openedById === account.accountId) throw new AppError('SECOND_PERSON', incidentName(incidentId))
  await query(
    `update incident set state = 'closed', closed_by = $2, closed_at = clock_timestamp(), review = $3 where incident_id = $1`,
    [incidentId, account.accountId, review],
  )
  await audit({ ...factOf(incidentId, account), type: 'incident.closed' })
}

/** What left to one receiver in a time, counted by the audit log. */
export interface Disclosed {
  /** As the audit log names it: `consumer:<name>` or `account:<name>`. */
  readonly receiver: string
  readonly dataset: string | null
  readonly answers: number
  readonly records: number
  readonly firstAt: Date
  readonly lastAt: Date
}

/** A file that was made has not left; its download has an entry of its own. */
const disclosing = (Object.keys(auditEvents) as readonly AuditEventType[]).filter(
  (type) => auditEvents[type].personal && type !== 'export.part-made',
)

/**
 * What left to whom from the beginning of an incident to its end, or to now. Of a feed or a department: of the datasets that they fill,
 * because an entry does not say of which feeds an answer was made.
 */
export async function readDisclosed(query: Query, incident: Incident): Promise<readonly Disclosed[]> {
  const { scope, name, beganAt, endedAt } = incident
  return query<Disclosed>(
    `select actor as receiver, dataset, count(*) as answers, coalesce(sum(count), 0)::int8 as records,
            min(recorded_at) as "firstAt", max(recorded_at) as "lastAt"
       from audit.entry
      where recorded_at >= $1 and recorded_at <= coalesce($2, clock_timestamp()) and event_type = any($3) and outcome = 'ok'
        and case $4 when 'consumer' then actor = 'consumer:' || $5 when 'dataset' then dataset = $5
              when 'feed' then coalesce(feed = $5, dataset in (select dataset.name from feed join dataset using (dataset_id) where code = $5))
              when 'department' then dataset in (select dataset.name from feed join dataset using (dataset_id) where feed.department = $5)
              else true end
      group by actor, dataset order by records desc, receiver, dataset limit 1000`,
    [beganAt, endedAt, disclosing, scope, name],
  )
}

/** Whether an alert of this kind about this object was ever raised: what a person has seen is not told again. */
export async function wasRaised(query: Query, object: string, kind: string): Promise<boolean> {
  return (await query('select from alert where object = $1 and kind = $2 limit 1', [object, kind])).length > 0
}
