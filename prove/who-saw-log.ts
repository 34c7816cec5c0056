import { createHash, randomUUID } from 'node:crypto'
import type pg from 'pg'
import { EMPTY_HEAD, makeEntry, makeEntryId } from '../src/audit/entry.ts'
import type { AuditEvent } from '../src/audit/events.ts'
import { sortSubjects, SUBJECT_BYTES } from '../src/audit/subjects.ts'
import type { Random } from './random.ts'

/** A log of disclosures that is made in bulk: the same bodies, leaves and manifests that appends make, without the way to the database of each. */

const LANES = 8
const BATCH = 5000
const START = Date.UTC(2023, 11, 1)

interface Lane {
  readonly id: string
  seq: number
  head: Buffer
}

interface Made {
  readonly lane: string
  readonly seq: number
  readonly body: Buffer
  readonly leaf: Buffer
  readonly subjects: Buffer
}

const purposes = ['LZ-QD-001', 'LZ-QD-002', 'LZ-QD-003', 'LZ-QD-004', 'LZ-QD-005'] as const
const datasets = ['resident', 'household', 'event'] as const

export interface LogPlan {
  readonly entries: number
  /** Milliseconds between two entries. */
  readonly paceMs: number
  readonly pick: Random
  /** Tokens that chance puts into one entry or another. */
  readonly planted: readonly Buffer[]
}

/** One entry in 400 is a page of 500 persons, the others are queries of one to three: 2.3 persons an entry and 1.2 in the pages. */
const PAGE_EVERY = 400
const PAGE_PERSONS = 500
/** One entry in so many names a person that was planted. */
const PLANTED_EVERY = 100

const randomToken = (pick: Random): Buffer => {
  const token = Buffer.alloc(SUBJECT_BYTES)
  for (let at = 0; at < SUBJECT_BYTES; at += 4) token.writeUInt32BE(pick(2 ** 32), at)
  return token
}

function subjectsOf({ pick, planted }: LogPlan): Buffer {
  const persons = pick(PAGE_EVERY) === 0 ? PAGE_PERSONS : 1 + pick(3)
  const tokens = Array.from({ length: persons }, () => randomToken(pick))
  // Some are seen much more often than others: the smaller of two picks.
  if (pick(PLANTED_EVERY) === 0)
    tokens[0] = planted[Math.min(pick(planted.length), pick(planted.length))] ?? randomToken(pick)
  return sortSubjects(Buffer.concat(tokens))
}

function eventOf({ pick }: LogPlan, subjects: Buffer): AuditEvent {
  const isPage = subjects.length > 3 * SUBJECT_BYTES
  return {
    type: isPage ? 'changes.pulled' : 'record.queried',
    actor: `consumer:system-${pick(40)}`,
    outcome: pick(1000) === 0 ? 'denied' : 'ok',
    dataset: datasets[pick(datasets.length)] ?? 'resident',
    agreement: `agreement/${pick(30)}/1`,
    purpose: purposes[pick(purposes.length)] ?? 'LZ-QD-001',
    object: `case/${pick(100_000)}`,
    count: subjects.length / SUBJECT_BYTES,
    subjectCount: subjects.length / SUBJECT_BYTES,
    subjectsDigest: createHash('sha256').update(subjects).digest('hex'),
    details: { department: `department-${pick(14)}` },
  }
}

function makeOne(plan: LogPlan, lane: Lane, number: number): Made {
  const subjects = subjectsOf(plan)
  const recordedAt = `${new Date(START + number * plan.paceMs).toISOString().slice(0, -1)}000Z`
  const place = { entryId: makeEntryId(), recordedAt, laneId: lane.id, laneSeq: lane.seq + 1, previous: lane.head }
  const { body, leaf } = makeEntry(eventOf(plan, subjects), place)
  lane.seq += 1
  lane.head = leaf
  return { lane: lane.id, seq: lane.seq, body, leaf, subjects }
}

async function save(client: pg.Client, made: readonly Made[]): Promise<void> {
  await client.query(
    `with given as (
       select * from unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[]) as g (lane_id, lane_seq, body, leaf, subjects)),
     told as (select given.*, convert_from(body, 'UTF8')::jsonb as said from given),
     entered as (
       insert into audit.entry (entry_id, recorded_at, lane_id, lane_seq, event_type, actor, outcome, feed, dataset, count, body, leaf)
         select (said->>'entryId')::uuid, (said->>'recordedAt')::timestamptz, lane_id, lane_seq, said->>'type', said->>'actor', said->>'outcome',
                null, said->>'dataset', (said->>'count')::bigint, body, leaf from told),
     beside as (insert into audit.manifest select lane_id, lane_seq, subjects from given)
     insert into audit.manifest_waiting (lane_id, lane_seq, persons) select lane_id, lane_seq, octet_length(subjects) / 16 from given`,
    [
      made.map(({ lane }) => lane),
      made.map(({ seq }) => seq),
      made.map(({ body }) => body),
      made.map(({ leaf }) => leaf),
      made.map(({ subjects }) => subjects),
    ],
  )
}

/** Writes a log in new lanes. Returns how many persons its manifests name. */
export async function writeBulk(client: pg.Client, plan: LogPlan, first = 0): Promise<number> {
  const lanes: Lane[] = Array.from({ length: LANES }, () => ({ id: randomUUID(), seq: 0, head: EMPTY_HEAD }))
  let persons = 0
  for (let number = 0; number < plan.entries; number += BATCH) {
    const size = Math.min(BATCH, plan.entries - number)
    const made = Array.from({ length: size }, (_, place) =>
      makeOne(plan, lanes[place % LANES] as Lane, first + number + place),
    )
    await save(client, made)
    persons += made.reduce((sum, { subjects }) => sum + subjects.length / SUBJECT_BYTES, 0)
  }
  for (const { id, seq, head } of lanes)
    await client.query('insert into audit.lane (lane_id, process, last_seq, head) values ($1, $2, $3, $4)', [
      id,
      'bulk',
      seq,
      head,
    ])
  return persons
}
