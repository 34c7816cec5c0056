import { deadlinesOf, type Deadline } from '../feeds/incident-duties.ts'
import type { IncidentDuty } from '../feeds/jurisdiction.ts'
import { raiseObjectAlert, type AlertKind } from '../store/alerts.ts'
import type { Database } from '../store/database.ts'
import { incidentName, listIncidents, listNotices, wasRaised } from '../store/incidents.ts'
import { listUnreviewed, revealName } from '../store/reveals.ts'
import { repeat } from './repeat.ts'

const alarming: Partial<Readonly<Record<Deadline['state'], AlertKind>>> = {
  'due-soon': 'incident-due',
  overdue: 'incident-overdue',
}

async function raiseOnce(
  database: Database,
  kind: AlertKind,
  object: string,
  details: Readonly<Record<string, string | number>>,
): Promise<void> {
  if (await wasRaised(database.query, object, kind)) return
  await database.transaction((transaction) =>
    raiseObjectAlert(transaction, { kind, object, department: null, details }),
  )
}

/** The clocks of incidents: a notice is warned of in the last quarter of its time, and told of when that is over. */
async function followIncidents(database: Database, duties: readonly IncidentDuty[], now: Date): Promise<void> {
  for (const incident of await listIncidents(database.query, true)) {
    const notices = await listNotices(database.query, incident.incidentId)
    for (const { duty, state, hours } of deadlinesOf(incident, duties, notices, now)) {
      const kind = alarming[state]
      if (kind === undefined) continue
      await raiseOnce(database, kind, `${incidentName(incident.incidentId)}/${duty}`, { duty, hours })
    }
  }
}

/** Tells of every reveal that nobody has reviewed in time. */
async function followReveals(database: Database): Promise<void> {
  for (const { revealId, hours } of await listUnreviewed(database.query))
    await raiseOnce(database, 'reveal-unreviewed', revealName(revealId), { hours })
}

/** Tells of what is due. Safe in any number of processes. */
export async function followEmergencies(
  database: Database,
  duties: readonly IncidentDuty[],
  now = new Date(),
): Promise<void> {
  await followIncidents(database, duties, now)
  await followReveals(database)
}

const EVERY_MS = 30_000

/** Follows the clocks until the function that it returns is called. A pass that fails is followed by the next one. */
export const startIncidentClock = (
  database: Database,
  duties: readonly IncidentDuty[],
  onError: (error: unknown) => void,
): (() => Promise<void>) => repeat(() => followEmergencies(database, duties), { everyMs: EVERY_MS, onError })
