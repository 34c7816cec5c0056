import { AppError, toAppError } from '../errors.ts'
import type { Account } from './accounts.ts'
import { actorOf } from './accounts.ts'
import { clearObjectAlert, raiseObjectAlert } from './alerts.ts'
import type { Database, Query, Transaction } from './database.ts'
import type { Feed } from './feeds.ts'

export const freezeScopes = ['feed', 'consumer', 'dataset', 'department', 'everything'] as const
export type FreezeScope = (typeof freezeScopes)[number]

/** What is to be frozen. */
export interface NewFreeze {
  readonly scope: FreezeScope
  /** Null for everything. */
  readonly name: string | null
  /** Whose it is, of a feed or a department; null: of the whole city. */
  readonly department: string | null
  /** Merged datasets that are made of what is frozen. */
  readonly derived: readonly string[]
  readonly reason: string
  readonly incidentId: number | null
}

export interface Freeze extends Omit<NewFreeze, 'derived'> {
  readonly freezeId: number
  readonly frozenBy: string
  readonly frozenAt: Date
  readonly liftedBy: string | null
  readonly liftedAt: Date | null
  readonly liftReason: string | null
}

const freezeName = (freezeId: number): string => `freeze/${freezeId}`

const aboutOf = ({ scope, name, incidentId, reason }: NewFreeze | Freeze) => ({
  scope,
  name,
  incident: incidentId,
  reason,
})

/**
 * Freezes from its commit on, in every process: what tells of persons and has not committed by then is refused. It waits for the
 * disclosures under way, 2 s at most, and is written down and told of.
 */
export async function setFreeze(transaction: Transaction, freeze: NewFreeze, account: Account): Promise<number> {
  const { query, audit } = transaction
  const [row] = await query<{ freezeId: number }>(
    `insert into freeze_order (scope, name, department, derived, reason, incident_id, frozen_by) values ($1, $2, $3, $4, $5, $6, $7)
       returning freeze_id as "freezeId"`,
    [freeze.scope, freeze.name, freeze.department, freeze.derived, freeze.reason, freeze.incidentId, account.accountId],
  )
  const object = freezeName(row?.freezeId ?? 0)
  await audit({ type: 'freeze.set', actor: actorOf(account), outcome: 'ok', object, details: aboutOf(freeze) })
  const { department, scope, name } = freeze
  await raiseObjectAlert(transaction, { kind: 'frozen', object, department, details: { scope, name: name ?? '' } })
  return row?.freezeId ?? 0
}

/** Lifts a freeze. Throws FREEZE_STATE for one that is lifted, SECOND_PERSON for whoever froze. */
export async function liftFreeze(
  { query, audit }: Transaction,
  freezeId: number,
  account: Account,
  reason: string,
): Promise<void> {
  const [row] = await query<{ frozenBy: number; isLifted: boolean }>(
    `select frozen_by as "frozenBy", lifted_at is not null as "isLifted" from freeze_order where freeze_id = $1 for update`,
    [freezeId],
  )
  if (row === undefined) throw new AppError('FREEZE_UNKNOWN', `freeze ${freezeId}`)
  if (row.isLifted) throw new AppError('FREEZE_STATE', `freeze ${freezeId}`)
  if (row.frozenBy === account.accountId) throw new AppError('SECOND_PERSON', `freeze ${freezeId}`)
  await query(
    `update freeze_order set lifted_by = $2, lifted_at = clock_timestamp(), lift_reason = $3 where freeze_id = $1`,
    [freezeId, account.accountId, reason],
  )
  const object = freezeName(freezeId)
  await clearObjectAlert(query, object, 'frozen')
  await audit({ type: 'freeze.lifted', actor: actorOf(account), outcome: 'ok', object, details: { reason } })
}

const FREEZE_COLUMNS = `freeze_id as "freezeId", scope, freeze_order.name, freeze_order.department, reason, incident_id as "incidentId",
  froze.name as "frozenBy", frozen_at as "frozenAt", lifted.name as "liftedBy", lifted_at as "liftedAt", lift_reason as "liftReason"`
const FREEZES = `freeze_order join account froze on froze.account_id = frozen_by left join account lifted on lifted.account_id = lifted_by`

/** Throws FREEZE_UNKNOWN. */
export async function findFreeze(query: Query, freezeId: number): Promise<Freeze> {
  const [freeze] = await query<Freeze>(`select ${FREEZE_COLUMNS} from ${FREEZES} where freeze_id = $1`, [freezeId])
  if (freeze === undefined) throw new AppError('FREEZE_UNKNOWN', `freeze ${freezeId}`)
  return freeze
}

/** Whether a freeze was set for a department by its own reviewer, who may then lift it with another of them. */
export async function isSetByDepartment(query: Query, freezeId: number): Promise<boolean> {
  const rows = await query(
    `select from freeze_order join account on account_id = frozen_by where freeze_id = $1 and role = 'department-reviewer'`,
    [freezeId],
  )
  return rows.length > 0
}

const LISTED = 500

/** Freezes, those in force first and then the newest. A department sees its own and what concerns everybody. */
export async function listFreezes(query: Query, department: string | null): Promise<readonly Freeze[]> {
  return query<Freeze>(
    `select ${FREEZE_COLUMNS} from ${FREEZES}
      where $1::text is null or freeze_order.department = $1 or scope in ('dataset', 'everything')
      order by lifted_at is not null, freeze_id desc limit ${LISTED}`,
    [department],
  )
}

export async function listFreezesOfIncident(query: Query, incidentId: number): Promise<readonly Freeze[]> {
  return query<Freeze>(
    `select ${FREEZE_COLUMNS} from ${FREEZES} where incident_id = $1 order by freeze_id limit ${LISTED}`,
    [incidentId],
  )
}

/** Throws FROZEN where rows of the feed may not be taken in; none is frozen before the transaction ends otherwise. */
export async function assertNotFrozen(query: Query, { code, dataset }: Pick<Feed, 'code' | 'dataset'>): Promise<void> {
  await query('select assert_not_frozen(null, $1, $2)', [dataset, [code]])
}

/** Whether rows of the feed may not be taken in now. */
export async function isFrozen({ query }: Database, feed: Pick<Feed, 'code' | 'dataset'>): Promise<boolean> {
  try {
    await assertNotFrozen(query, feed)
    return false
  } catch (error) {
    if (toAppError(error).code === 'FROZEN') return true
    throw error
  }
}
