import { incidentLevels, type IncidentDuty, type IncidentLevel } from './jurisdiction.ts'

/** Who has to be told of an incident, until when, and how it stands with that. */
export interface Deadline extends IncidentDuty {
  readonly dueAt: Date
  /** `due-soon`: the last quarter of the time has begun. */
  readonly state: 'running' | 'due-soon' | 'overdue' | 'done' | 'done-late'
}

/** A duty that was done: a notice that was sent, or waived with a reason. */
export interface Notice {
  readonly duty: string
  readonly noticedAt: Date
}

const HOUR_MS = 3_600_000
/** Of the time that a duty has, the part in which people are warned. */
const WARNING = 0.25

function stateOf(hours: number, dueAt: Date, noticedAt: Date | undefined, now: Date): Deadline['state'] {
  if (noticedAt !== undefined) return noticedAt <= dueAt ? 'done' : 'done-late'
  if (now >= dueAt) return 'overdue'
  return dueAt.getTime() - now.getTime() <= hours * HOUR_MS * WARNING ? 'due-soon' : 'running'
}

/** The deadlines of an incident of this level that became known then: by the clock, not by working days. */
export function deadlinesOf(
  { level, knownAt }: { readonly level: IncidentLevel; readonly knownAt: Date },
  duties: readonly IncidentDuty[],
  notices: readonly Notice[],
  now: Date,
): readonly Deadline[] {
  const gravity = incidentLevels.indexOf(level)
  return duties
    .filter(({ from }) => incidentLevels.indexOf(from) <= gravity)
    .map((duty) => {
      const dueAt = new Date(knownAt.getTime() + duty.hours * HOUR_MS)
      const told = notices.find((notice) => notice.duty === duty.duty)?.noticedAt
      return { ...duty, dueAt, state: stateOf(duty.hours, dueAt, told, now) }
    })
}
