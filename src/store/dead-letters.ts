import { AppError } from '../errors.ts'
import type { ChangePlace } from './changes.ts'
import type { Query } from './database.ts'

/** A delivery that its receiver refused again and again. It holds no record: a requeue sends what is left of its range. */
export interface DeadLetter {
  readonly deliveryId: number
  readonly webhookId: string
  readonly records: number
  readonly attempts: number
  readonly reason: string
  /** What the receiver answered last. */
  readonly status: number | null
  readonly createdAt: Date
  /** Of its records, those that have not changed since: later versions went out with the feed. */
  readonly left: number
  readonly from: ChangePlace
  readonly to: ChangePlace
  readonly fromTime: Date | null
  readonly toTime: Date | null
  readonly isRequeued: boolean
}

type DeadLetterRow = Omit<DeadLetter, 'from' | 'to'> &
  Readonly<Record<'fromTx' | 'toTx', string> & Record<'fromSeq' | 'toSeq', number>>

const DEAD_LETTER = `
  select delivery.delivery_id as "deliveryId", webhook_id as "webhookId", delivery.records, attempts, coalesce(delivery.reason, '') as reason,
         status, delivery.created_at as "createdAt", delivery.state = 'requeued' as "isRequeued",
         delivery.from_tx::text as "fromTx", delivery.from_seq as "fromSeq", delivery.to_tx::text as "toTx", delivery.to_seq as "toSeq",
         from_time as "fromTime", to_time as "toTime",
         (select count(*) from record where record.dataset_id = subscription.dataset_id
             and (change_tx, change_seq) > (delivery.from_tx, delivery.from_seq)
             and (change_tx, change_seq) <= (delivery.to_tx, delivery.to_seq)) as left
    from delivery join subscription using (subscription_id) left join replay on replay.replay_id = delivery.replay_id`

function toDeadLetter({ fromTx, fromSeq, toTx, toSeq, ...letter }: DeadLetterRow): DeadLetter {
  return { ...letter, from: { tx: fromTx, seq: fromSeq }, to: { tx: toTx, seq: toSeq } }
}

/** Dead letters that nobody has requeued, the newest first. */
export async function listDeadLetters(
  query: Query,
  subscriptionId: number,
  before: number | null,
  limit: number,
): Promise<readonly DeadLetter[]> {
  const rows = await query<DeadLetterRow>(
    `${DEAD_LETTER} where delivery.subscription_id = $1 and delivery.state = 'dead'
        and ($2::bigint is null or delivery.delivery_id < $2) order by delivery.delivery_id desc limit $3`,
    [subscriptionId, before, limit],
  )
  return rows.map(toDeadLetter)
}

/** Throws DEAD_LETTER_UNKNOWN. */
export async function findDeadLetter(query: Query, subscriptionId: number, deliveryId: number): Promise<DeadLetter> {
  const [row] = await query<DeadLetterRow>(
    `${DEAD_LETTER} where delivery.subscription_id = $1 and delivery.delivery_id = $2 and delivery.state in ('dead', 'requeued')`,
    [subscriptionId, deliveryId],
  )
  if (row === undefined) throw new AppError('DEAD_LETTER_UNKNOWN', `delivery ${deliveryId}`)
  return toDeadLetter(row)
}

/** Marks a dead letter as requeued. False: somebody else did. */
export async function requeueDeadLetter(query: Query, deliveryId: number): Promise<boolean> {
  const rows = await query(
    `update delivery set state = 'requeued' where delivery_id = $1 and state = 'dead' returning delivery_id`,
    [deliveryId],
  )
  return rows.length > 0
}

/** Dead letters that nobody has requeued, over all subscriptions. */
export async function countDeadLetters(query: Query): Promise<number> {
  const [row] = await query<{ letters: number }>(`select count(*) as letters from delivery where state = 'dead'`)
  return row?.letters ?? 0
}
