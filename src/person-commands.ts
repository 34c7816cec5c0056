import { operator, within } from './commands.ts'
import type { Config } from './config.ts'
import { AppError } from './errors.ts'
import { rebuildIndex } from './jobs/audit-index.ts'
import { reportPerson, type FoundPage } from './sharing/who-saw.ts'
import { clearObjectAlert } from './store/alerts.ts'
import { openDatabase } from './store/database.ts'
import { countIndexed } from './store/person-index.ts'

export interface PersonOptions {
  /** Certificate type. */
  readonly type: string
  /** RFC 3339. */
  readonly from?: string
  readonly to?: string
}

function timeOf(option: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined
  const time = new Date(text)
  if (Number.isNaN(time.getTime()))
    throw new AppError('USAGE_INVALID', `${option}: give a time as 2026-11-28T08:00:00Z`)
  return time
}

/** `audit person`: every entry that tells of a person, the newest first, each with its proof. Throws USAGE_INVALID, AUDIT_UNAVAILABLE. */
export async function whoSaw(config: Config, certNumber: string, options: PersonOptions): Promise<FoundPage> {
  const [from, to] = [timeOf('--from', options.from), timeOf('--to', options.to)]
  const filter = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
  const person = { certType: options.type, certNumber }
  return within(config, ({ database, keys }) =>
    reportPerson({ database, keys, auditDeadlineMs: config.auditDeadlineMs }, operator(), {
      person,
      filter,
      before: null,
    }),
  )
}

/** `audit index rebuild`: makes the index of persons anew and takes its alert back. Returns how many postings it has. */
export async function rebuildPersonIndex(config: Config): Promise<{ readonly postings: number }> {
  return within(config, async ({ database, databaseUrl }) => {
    await database.transaction(({ audit }) => audit({ type: 'audit.index-rebuilt', actor: operator(), outcome: 'ok' }))
    const url = config.sequencerDatabaseUrl ?? databaseUrl
    const builder = openDatabase({ url, processName: 'index', connections: 1, role: 'gridbridge_sequencer' })
    try {
      await rebuildIndex(builder)
    } finally {
      await builder.close()
    }
    await clearObjectAlert(database.query, 'audit/index', 'audit-index-broken')
    return { postings: await countIndexed(database.query) }
  })
}
