import type { Database } from '../store/database.ts'
import { removeLeftovers } from '../store/export-parts.ts'
import { endExpiredExports } from '../sharing/export-request.ts'
import { repeat } from './repeat.ts'

/** Rows of each kind in one statement: some twenty megabytes of files. */
const AT_ONCE = 20
/** What a stopped consumer could have had is gone within seconds. */
const EVERY_MS = 3000

/** Ends exports whose time is up or whose consumer was stopped, and removes what ended exports left. Safe in any number of processes. */
export async function removeExports(database: Database, isStopped: () => boolean = () => false): Promise<void> {
  await endExpiredExports(database)
  while (!isStopped() && (await removeLeftovers(database.query, AT_ONCE)) > 0);
}

/** Removes what may be kept no longer until the function that it returns is called. A pass that fails is followed by the next one. */
export const startExportRemoval = (
  database: Database,
  onError: (error: unknown) => void,
  everyMs = EVERY_MS,
): (() => Promise<void>) => repeat((isStopped) => removeExports(database, isStopped), { everyMs, onError })
