import { AppError, type ErrorCode } from '../errors.ts'
import type { Agreement } from './agreements.ts'
import type { ChangePlace } from './changes.ts'
import type { Query } from './database.ts'

/** The states of an export, in the order in which it can pass through them; the last four are ends. */
export const exportStates = [
  'requested',
  'awaiting-approval',
  'running',
  'ready',
  'expired',
  'cancelled',
  'refused',
  'failed',
] as const
export type ExportState = (typeof exportStates)[number]

/** A copy of what one agreement grants as of one moment, made as files that are kept for a while. Counts are of records. */
export interface Export {
  readonly exportId: number
  readonly agreementId: number
  readonly agreementVersion: number
  readonly consumerId: number
  readonly consumer: string
  readonly dataset: string
  readonly purpose: string
  readonly area: readonly string[]
  readonly state: ExportState
  /** Why it waits or has ended. */
  readonly reason: ErrorCode | null
  /** What the person said who refused it. */
  readonly remark: string | null
  /** Persons and records of the selection when it was counted; null before. */
  readonly persons: number | null
  readonly about: number | null
  /** As of when and up to which place it is; null before it is read. */
  readonly transactionTime: Date | null
  readonly place: ChangePlace | null
  readonly read: number
  readonly parts: number
  readonly records: number
  readonly bytes: number
  /** The least number of people who look alike; null where the export is not judged by it. */
  readonly k: number | null
  readonly withheld: number
  /** People in the smallest class that was found, counted up to `k`. */
  readonly smallestClass: number | null
  /** Records whose seal did not open. */
  readonly broken: number
  readonly requestedAt: Date
  readonly readyAt: Date | null
  readonly expiresAt: Date | null
  readonly endedAt: Date | null
}

const COLUMNS = `export_id as "exportId", agreement_id as "agreementId", agreement_version as "agreementVersion",
  consumer_id as "consumerId", consumer.name as consumer, dataset.name as dataset, purpose, area, export.state, reason, remark, persons, about,
  transaction_time as "transactionTime",
  case when place_tx is not null then jsonb_build_object('tx', place_tx::text, 'seq', place_seq) end as place,
  read, parts, records, bytes, k, withheld, smallest_class as "smallestClass", broken,
  requested_at as "requestedAt", ready_at as "readyAt", expires_at as "expiresAt", ended_at as "endedAt"`

const FROM = `export join agreement using (agreement_id) join consumer using (consumer_id) join dataset using (dataset_id)`

/** Asks for an export under the agreement as it stands. Throws EXPORT_EXISTS while another one is made or kept. */
export async function insertExport(query: Query, { agreementId, version }: Agreement): Promise<number> {
  const [row] = await query<{ exportId: number }>(
    `insert into export (agreement_id, agreement_version) values ($1, $2)
       on conflict (agreement_id) where state in ('requested', 'awaiting-approval', 'running', 'ready') do nothing
       returning export_id as "exportId"`,
    [agreementId, version],
  )
  if (row !== undefined) return row.exportId
  throw new AppError('EXPORT_EXISTS', 'wait for it, or delete it')
}

/** Throws EXPORT_UNKNOWN, also for the export of another consumer. `consumerId` null: of whomever. */
export async function findExport(query: Query, exportId: number, consumerId: number | null): Promise<Export> {
  const [found] = await query<Export>(
    `select ${COLUMNS} from ${FROM} where export_id = $1 and ($2::int is null or consumer_id = $2)`,
    [exportId, consumerId],
  )
  if (found === undefined) throw new AppError('EXPORT_UNKNOWN', `export ${exportId}`)
  return found
}

/** The exports of a consumer, the newest first. */
export async function listExports(query: Query, consumerId: number): Promise<readonly Export[]> {
  return query<Export>(`select ${COLUMNS} from ${FROM} where consumer_id = $1 order by export_id desc limit 200`, [
    consumerId,
  ])
}

/** Exports that wait for people to agree, the oldest first. */
export async function listWaitingExports(query: Query): Promise<readonly Export[]> {
  return query<Export>(
    `select ${COLUMNS} from ${FROM} where export.state = 'awaiting-approval' order by export_id limit 500`,
  )
}

/** Ends an export that is made or kept, whoever works on it. False: it had ended already. */
export async function cancelExport(query: Query, exportId: number): Promise<boolean> {
  const rows = await query(
    `update export set state = 'cancelled', lease_until = null, ended_at = clock_timestamp()
      where export_id = $1 and state in ('requested', 'awaiting-approval', 'running', 'ready') returning export_id`,
    [exportId],
  )
  return rows.length === 1
}

/** An export that has just ended by itself. */
export type EndedExport = Pick<Export, 'exportId' | 'agreementId' | 'agreementVersion' | 'consumer' | 'dataset'>

/** A department withdrew records of the dataset, or of persons merged out of it, after the export was asked for. */
const HOLDS_RECALLED = `exists (select from recall join feed using (feed_id)
  where recall.state in ('approved', 'done') and coalesce(done_at, clock_timestamp()) > export.requested_at
    and (feed.dataset_id = agreement.dataset_id
         or exists (select from person_cursor where person_cursor.dataset_id = feed.dataset_id) and dataset.name = 'person'))`

/**
 * Ends the exports whose time is up, and at once those whose consumer was stopped, whose agreement is over or has another version, or
 * which may hold records that were recalled: nothing of them may leave any more. Returns those that it ended.
 */
export async function expireExports(query: Query): Promise<readonly EndedExport[]> {
  return query<EndedExport>(
    `update export set state = 'expired', reason = 'EXPORT_EXPIRED', lease_until = null, ended_at = clock_timestamp()
       from agreement join consumer using (consumer_id) join dataset using (dataset_id)
      where export.agreement_id = agreement.agreement_id and export.state in ('requested', 'awaiting-approval', 'running', 'ready')
        and (expires_at <= clock_timestamp() or consumer.stopped_at is not null
             or agreement.version <> agreement_version or agreement.valid_to <= clock_timestamp() or ${HOLDS_RECALLED})
      returning export_id as "exportId", export.agreement_id as "agreementId", agreement_version as "agreementVersion",
                consumer.name as consumer, dataset.name as dataset`,
  )
}
