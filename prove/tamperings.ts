import { canonicalJson, EMPTY_HEAD, leafHash, makeEntry } from '../src/audit/entry.ts'
import type { Query } from '../src/store/database.ts'
import type { Random } from './random.ts'

/** An entry as it lies in the log, by what a tamperer would look at. */
export interface Lying {
  readonly laneId: string
  readonly laneSeq: number
  readonly body: Buffer
  readonly leaf: Buffer
}

/** What a superuser does to the log, and the places at which a verifier may rightly find it. */
export interface Tampering {
  readonly kind: string
  readonly work: (query: Query) => Promise<unknown>
  readonly places: readonly string[]
}

export const placeOf = (lane: string, seq: number): string => `${lane}#${seq}`

const at = ({ laneId, laneSeq }: Lying): readonly unknown[] => [laneId, laneSeq]
const WHERE = 'where lane_id = $1 and lane_seq = $2'

function rewritten(entry: Lying, change: (body: Record<string, unknown>) => Record<string, unknown>): Buffer {
  return Buffer.from(canonicalJson(change(JSON.parse(entry.body.toString()) as Record<string, unknown>) as never))
}

/** Every column that `audit.entry` has besides its key, with a value that it never had. */
const columnValues: readonly (readonly [column: string, value: string])[] = [
  ['entry_id', 'gen_random_uuid()'],
  ['recorded_at', `recorded_at + interval '1 microsecond'`],
  ['event_type', `event_type || 'x'`],
  ['actor', `actor || 'x'`],
  ['outcome', `outcome || 'x'`],
  ['feed', `coalesce(feed, '') || 'x'`],
  ['dataset', `coalesce(dataset, '') || 'x'`],
  ['count', 'coalesce(count, 0) + 1'],
  ['leaf', 'sha256(leaf)'],
  ['lane_seq', 'lane_seq + 1000'],
]

function changeBody(entry: Lying, pick: Random): Tampering {
  const body = Buffer.from(entry.body)
  const place = pick(body.length)
  body[place] = (body[place] ?? 0) ^ (1 << pick(8))
  return {
    kind: 'a bit of a body',
    work: (query) => query(`update audit.entry set body = $3 ${WHERE}`, [...at(entry), body]),
    places: [placeOf(entry.laneId, entry.laneSeq)],
  }
}

function changeBodyAndLeaf(entry: Lying): Tampering {
  const body = rewritten(entry, (value) => ({ ...value, object: 'run/999999' }))
  return {
    kind: 'a body and its leaf hash',
    work: (query) =>
      query(`update audit.entry set body = $3, leaf = $4 ${WHERE}`, [...at(entry), body, leafHash(body)]),
    places: [placeOf(entry.laneId, entry.laneSeq)],
  }
}

function changeColumn(entry: Lying, pick: Random): Tampering {
  const [column, value] = columnValues[pick(columnValues.length)] ?? ['actor', `'x'`]
  return {
    kind: `the column ${column}`,
    work: (query) => query(`update audit.entry set ${column} = ${value} ${WHERE}`, at(entry)),
    places: [placeOf(entry.laneId, entry.laneSeq)],
  }
}

function deleteEntry(entry: Lying, kind: string): Tampering {
  return {
    kind,
    work: (query) => query(`delete from audit.entry ${WHERE}`, at(entry)),
    places: [placeOf(entry.laneId, entry.laneSeq)],
  }
}

/** Two entries change places: everything but the key of the table is swapped. */
function swapEntries(one: Lying, other: Lying): Tampering {
  const columns = [
    'recorded_at',
    'event_type',
    'actor',
    'outcome',
    'feed',
    'dataset',
    'count',
    'body',
    'leaf',
    'entry_id',
  ]
  const first = one.laneSeq < other.laneSeq ? one : other
  return {
    kind: 'two entries of a lane swapped',
    work: async (query) => {
      await query(
        'create temp table swapped on commit drop as select * from audit.entry where lane_id = $1 and lane_seq in ($2, $3)',
        [one.laneId, one.laneSeq, other.laneSeq],
      )
      await query('delete from audit.entry where lane_id = $1 and lane_seq in ($2, $3)', [
        one.laneId,
        one.laneSeq,
        other.laneSeq,
      ])
      await query(
        `insert into audit.entry (lane_id, lane_seq, ${columns.join(', ')})
           select lane_id, case lane_seq when $1 then $2 else $1 end::bigint, ${columns.join(', ')} from swapped`,
        [one.laneSeq, other.laneSeq],
      )
    },
    places: [placeOf(first.laneId, first.laneSeq)],
  }
}

/** An entry nobody wrote, rightly chained to the last one. Without the lane's row it hangs over the end. */
function forgeEntry(last: Lying): Tampering {
  const recordedAt = '2026-11-23T01:02:03.000004Z'
  const place = {
    entryId: crypto.randomUUID(),
    recordedAt,
    laneId: last.laneId,
    laneSeq: last.laneSeq + 1,
    previous: last.leaf,
  }
  const { body, leaf } = makeEntry({ type: 'run.finished', actor: 'system:worker', outcome: 'ok' }, place)
  const values = [place.entryId, recordedAt, place.laneId, place.laneSeq, body, leaf]
  return {
    kind: 'a forged entry at the end',
    work: (query) =>
      query(
        `insert into audit.entry (entry_id, recorded_at, lane_id, lane_seq, event_type, actor, outcome, body, leaf)
           values ($1, $2, $3, $4, 'run.finished', 'system:worker', 'ok', $5, $6)`,
        values,
      ),
    places: [placeOf(last.laneId, last.laneSeq + 1)],
  }
}

const laneChanges = [
  { what: 'last_seq = last_seq - 1', offset: 0 },
  { what: 'last_seq = last_seq + 1', offset: 1 },
  { what: 'head = sha256(head)', offset: 0 },
] as const

function changeLane(last: Lying, pick: Random): Tampering {
  const { what, offset } = laneChanges[pick(laneChanges.length)] ?? laneChanges[0]
  return {
    kind: `the lane's row: ${what}`,
    work: (query) => query(`update audit.lane set ${what} where lane_id = $1`, [last.laneId]),
    places: [placeOf(last.laneId, last.laneSeq + offset)],
  }
}

function deleteLane(last: Lying): Tampering {
  return {
    kind: `the lane's row deleted`,
    work: (query) => query('delete from audit.lane where lane_id = $1', [last.laneId]),
    places: [placeOf(last.laneId, 1)],
  }
}

function cutLane(last: Lying): Tampering {
  return {
    kind: 'all entries of a lane deleted',
    work: (query) => query('delete from audit.entry where lane_id = $1', [last.laneId]),
    places: [placeOf(last.laneId, 1)],
  }
}

/** An entry that was put back to the first place: its body names another one. */
function moveToFront(entries: readonly Lying[]): Tampering {
  const [first, second] = entries
  if (first === undefined || second === undefined) throw new Error('wanted two entries')
  const body = rewritten(first, (value) => ({ ...value, previous: EMPTY_HEAD.toString('hex'), laneSeq: 2 }))
  return {
    kind: 'the first entry copied over the second',
    work: (query) =>
      query(`update audit.entry set body = $3, leaf = $4 ${WHERE}`, [...at(second), body, leafHash(body)]),
    places: [placeOf(second.laneId, second.laneSeq)],
  }
}

/** Each kind of tampering with one lane's entries, in order of their places. `pick` chooses within the kind. */
export const tamperings: readonly ((entries: readonly Lying[], pick: Random) => Tampering)[] = [
  (entries, pick) => changeBody(any(entries, pick), pick),
  (entries, pick) => changeBodyAndLeaf(any(entries, pick)),
  (entries, pick) => changeColumn(any(entries, pick), pick),
  (entries) =>
    deleteEntry(
      any(entries, () => 0),
      'the first entry deleted',
    ),
  (entries, pick) => deleteEntry(any(entries.slice(1, -1), pick), 'an entry in the middle deleted'),
  (entries) => deleteEntry(lastOf(entries), 'the last entry deleted'),
  (entries, pick) => {
    const place = pick(entries.length - 1)
    return swapEntries(
      any(entries, () => place),
      any(entries.slice(place + 1), pick),
    )
  },
  (entries) => forgeEntry(lastOf(entries)),
  (entries, pick) => changeLane(lastOf(entries), pick),
  (entries) => deleteLane(lastOf(entries)),
  (entries) => cutLane(lastOf(entries)),
  (entries) => moveToFront(entries),
]

function any(entries: readonly Lying[], pick: Random): Lying {
  const entry = entries[pick(entries.length)]
  if (entry === undefined) throw new Error('wanted an entry')
  return entry
}

const lastOf = (entries: readonly Lying[]): Lying => any(entries, () => entries.length - 1)
