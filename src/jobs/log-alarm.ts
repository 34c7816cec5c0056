import { countScrubbed, type Log } from '../log.ts'
import { raiseObjectAlert } from '../store/alerts.ts'
import type { Database } from '../store/database.ts'
import { repeat } from './repeat.ts'

const EVERY_MS = 10_000

/**
 * Raises an alert when this process wanted to log what looks like the number of a person (any hit is a fault of the
 * program). One alert stays open for a process until somebody acknowledges it. Returns how to stop.
 */
export function startLogAlarm(
  database: Database,
  log: Log,
  processName: string,
  onError: (error: unknown) => void,
  everyMs = EVERY_MS,
): () => Promise<void> {
  let told = countScrubbed()
  const pass = async (): Promise<void> => {
    const counted = countScrubbed()
    if (counted === told) return
    log.tell('LOG_SCRUBBED', { lines: counted })
    await database.transaction((transaction) =>
      raiseObjectAlert(transaction, {
        kind: 'log-scrubbed',
        object: `process/${processName}`,
        department: null,
        details: { lines: counted },
      }),
    )
    told = counted
  }
  return repeat(pass, { everyMs, onError })
}
