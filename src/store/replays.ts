import { AppError } from '../errors.ts'
import type { ChangePlace } from './changes.ts'
import type { Query } from './database.ts'

/** What is sent once more: changes of a range of places, of a range of time, or both. `to` never lies behind the cursor. */
export interface ReplayRange {
  readonly from: ChangePlace
  readonly to: ChangePlace
  readonly fromTime: Date | null
  readonly toTime: Date | null
}

export interface Replay extends ReplayRange {
  readonly replayId: number
  readonly subscriptionId: number
  /** The dead letter that it sends once more. */
  readonly deliveryId: number | null
  readonly place: ChangePlace
  /** As counted when it was asked for. */
  readonly records: number
  readonly acknowledged: number
  readonly sent: number
  readonly state: 'active' | 'done' | 'cancelled'
  readonly requestedBy: string
  readonly reason: string
  readonly requestedAt: Date
  readonly endedAt: Date | null
}

type ReplayRow = Omit<Replay, 'from' | 'to' | 'place'> &
  Readonly<Record<'fromTx' | 'toTx' | 'placeTx', string> & Record<'fromSeq' | 'toSeq' | 'placeSeq', number>>

const REPLAY = `
  select replay_id as "replayId", subscription_id as "subscriptionId", delivery_id as "deliveryId", from_tx::text as "fromTx",
         from_seq as "fromSeq", to_tx::text as "toTx", to_seq as "toSeq", from_time as "fromTime", to_time as "toTime",
         place_tx::text as "placeTx", place_seq as "placeSeq", records, acknowledged, sent, state,
         requested_by as "requestedBy", reason, requested_at as "requestedAt", ended_at as "endedAt"
    from replay`

function toReplay(row: ReplayRow): Replay {
  const { fromTx, fromSeq, toTx, toSeq, placeTx, placeSeq, ...replay } = row
  return {
    ...replay,
    from: { tx: fromTx, seq: fromSeq },
    to: { tx: toTx, seq: toSeq },
    place: { tx: placeTx, seq: placeSeq },
  }
}

/** $1 dataset, ($2, $3) to ($4, $5) places, $6 to $7 time. */
const IN_RANGE = `record.dataset_id = $1 and (change_tx, change_seq) > ($2::xid8, $3) and (change_tx, change_seq) <= ($4::xid8, $5)
  and ($6::timestamptz is null or changed_at >= $6) and ($7::timestamptz is null or changed_at < $7)`

const rangeValues = (datasetId: number, { from, to, fromTime, toTime }: ReplayRange): readonly unknown[] => [
  datasetId,
  from.tx,
  from.seq,
  to.tx,
  to.seq,
  fromTime,
  toTime,
]

/** Where a subscription began and how far it has come. */
export async function findReach(
  query: Query,
  subscriptionId: number,
): Promise<{ readonly start: ChangePlace; readonly cursor: ChangePlace }> {
  const [row] = await query<{ startTx: string; startSeq: number; tx: string; seq: number }>(
    `select start_tx::text as "startTx", start_seq as "startSeq", cursor_tx::text as tx, cursor_seq as seq
       from subscription where subscription_id = $1`,
    [subscriptionId],
  )
  if (row === undefined) throw new AppError('SUBSCRIPTION_UNKNOWN', `subscription ${subscriptionId}`)
  return { start: { tx: row.startTx, seq: row.startSeq }, cursor: { tx: row.tx, seq: row.seq } }
}

/** How many records a replay of the range would send. */
export interface ReplayCounts {
  readonly records: number
  /** Of these, those whose newest version the receiver has acknowledged already. */
  readonly acknowledged: number
}

/** Everything between the subscription's start and its cursor was acknowledged, but for what lies in a dead letter. */
export async function countReplay(
  query: Query,
  subscriptionId: number,
  datasetId: number,
  range: ReplayRange,
): Promise<ReplayCounts> {
  const [row] = await query<ReplayCounts>(
    `select count(*) as records,
            count(*) filter (where (change_tx, change_seq) > (start_tx, start_seq) and not exists (
              select from delivery left join replay on replay.delivery_id = delivery.delivery_id and replay.state = 'done'
               where delivery.subscription_id = $8 and delivery.state in ('dead', 'requeued') and replay.replay_id is null
                 and (change_tx, change_seq) > (delivery.from_tx, delivery.from_seq)
                 and (change_tx, change_seq) <= (delivery.to_tx, delivery.to_seq))) as acknowledged
       from record, subscription where subscription_id = $8 and ${IN_RANGE}`,
    [...rangeValues(datasetId, range), subscriptionId],
  )
  return row ?? { records: 0, acknowledged: 0 }
}

export interface NewReplay extends ReplayRange, ReplayCounts {
  readonly subscriptionId: number
  readonly deliveryId: number | null
  readonly requestedBy: string
  readonly reason: string
}

/** Asks for a replay; a worker carries it out beside the feed. */
export async function insertReplay(query: Query, made: NewReplay): Promise<number> {
  const { from, to } = made
  const [row] = await query<{ replayId: number }>(
    `insert into replay (subscription_id, delivery_id, from_tx, from_seq, to_tx, to_seq, from_time, to_time, place_tx, place_seq,
                         records, acknowledged, requested_by, reason)
       values ($1, $2, $3::xid8, $4, $5::xid8, $6, $7, $8, $3::xid8, $4, $9, $10, $11, $12) returning replay_id as "replayId"`,
    [
      made.subscriptionId,
      made.deliveryId,
      from.tx,
      from.seq,
      to.tx,
      to.seq,
      made.fromTime,
      made.toTime,
      made.records,
      made.acknowledged,
      made.requestedBy,
      made.reason,
    ],
  )
  return row?.replayId ?? 0
}

/** The oldest replay that is under way and due. */
export async function findDueReplay(query: Query, subscriptionId: number): Promise<Replay | null> {
  const [row] = await query<ReplayRow>(
    `${REPLAY} where subscription_id = $1 and state = 'active' and (not_before is null or not_before <= clock_timestamp())
      order by replay_id limit 1`,
    [subscriptionId],
  )
  return row === undefined ? null : toReplay(row)
}

/** Throws REPLAY_UNKNOWN. */
export async function findReplay(query: Query, subscriptionId: number, replayId: number): Promise<Replay> {
  const [row] = await query<ReplayRow>(`${REPLAY} where subscription_id = $1 and replay_id = $2`, [
    subscriptionId,
    replayId,
  ])
  if (row === undefined) throw new AppError('REPLAY_UNKNOWN', `replay ${replayId}`)
  return toReplay(row)
}

/** The newest hundred, the newest first. */
export async function listReplays(query: Query, subscriptionId: number): Promise<readonly Replay[]> {
  const rows = await query<ReplayRow>(`${REPLAY} where subscription_id = $1 order by replay_id desc limit 100`, [
    subscriptionId,
  ])
  return rows.map(toReplay)
}

/** Moves a replay behind a batch of it; `isLast`: it is done. Returns whether it was still under way. */
export async function advanceReplay(
  query: Query,
  replayId: number,
  to: ChangePlace,
  sent: number,
  isLast: boolean,
): Promise<boolean> {
  const rows = await query(
    `update replay set place_tx = $2::xid8, place_seq = $3, sent = sent + $4, not_before = null,
            state = case when $5 then 'done' else state end, ended_at = case when $5 then clock_timestamp() end
      where replay_id = $1 and state = 'active' returning replay_id`,
    [replayId, to.tx, to.seq, sent, isLast],
  )
  return rows.length > 0
}

/** Puts a replay off whose batch was refused; the feed goes on. */
export async function postponeReplay(query: Query, replayId: number, delayMs: number): Promise<void> {
  await query(
    `update replay set not_before = clock_timestamp() + make_interval(secs => $2::float8 / 1000) where replay_id = $1`,
    [replayId, delayMs],
  )
}

/** Ends a replay where it is; a dead letter that it was sending is one again. False: it had ended already. */
export async function cancelReplay(query: Query, { replayId, deliveryId }: Replay): Promise<boolean> {
  const rows = await query(
    `update replay set state = 'cancelled', ended_at = clock_timestamp() where replay_id = $1 and state = 'active' returning replay_id`,
    [replayId],
  )
  if (rows.length === 0) return false
  await query(`update delivery set state = 'cancelled' where replay_id = $1 and state = 'open'`, [replayId])
  await query(`update delivery set state = 'dead' where delivery_id = $1 and state = 'requeued'`, [deliveryId])
  return true
}
