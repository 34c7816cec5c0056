import { randomUUID } from 'node:crypto'
import { EMPTY_HEAD, makeEntry, type AuditEntry } from '../../src/audit/entry.ts'
import { growTree } from '../../src/jobs/sequencer.ts'
import type { Database } from '../../src/store/database.ts'
import type { TreeAlgorithm } from '../../src/audit/tree-hash.ts'
import type { TestInstallation } from './installation.ts'

const event = { type: 'changes.pulled', actor: 'consumer:grid-platform', outcome: 'ok', dataset: 'resident' } as const

/** A lane whose entries are dated as the test says, each with the hashes that the product would have made. */
export interface OldLane {
  readonly laneId: string
  /** Writes so many entries of that time, as a superuser. */
  readonly write: (at: Date, count: number) => Promise<void>
}

const insertOld = (asOwner: TestInstallation['asOwner'], laneId: string, entries: readonly AuditEntry[]) =>
  asOwner(
    `with told as (
       select laneSeq, body, leaf, convert_from(body, 'UTF8')::jsonb as said
         from unnest($2::bigint[], $3::bytea[], $4::bytea[]) as given (laneSeq, body, leaf)),
     written as (
       insert into audit.entry (entry_id, recorded_at, lane_id, lane_seq, event_type, actor, outcome, dataset, count, body, leaf)
         select (said->>'entryId')::uuid, (said->>'recordedAt')::timestamptz, $1, laneSeq, said->>'type', said->>'actor', said->>'outcome',
                said->>'dataset', (said->>'count')::bigint, body, leaf from told)
     update audit.lane set last_seq = (select max(laneSeq) from told), head = (select leaf from told order by laneSeq desc limit 1)
      where lane_id = $1`,
    [laneId, entries.map(({ laneSeq }) => laneSeq), entries.map(({ body }) => body), entries.map(({ leaf }) => leaf)],
  )

export async function openOldLane({ asOwner }: Pick<TestInstallation, 'asOwner'>): Promise<OldLane> {
  const laneId = randomUUID()
  await asOwner(`insert into audit.lane (lane_id, process) values ($1, 'old')`, [laneId])
  let seq = 0
  let previous: Buffer = EMPTY_HEAD
  return {
    laneId,
    write: async (at, count) => {
      const entries = Array.from({ length: count }, (_, turn) => {
        const recordedAt = new Date(at.getTime() + turn * 1000).toISOString().replace('Z', '000Z')
        seq += 1
        const entry = makeEntry(
          { ...event, count: turn },
          { entryId: randomUUID(), recordedAt, laneId, laneSeq: seq, previous },
        )
        previous = entry.leaf
        return entry
      })
      await insertOld(asOwner, laneId, entries)
    },
  }
}

/** Gives everything that waits its place. */
export async function placeAll(sequencer: Database, trees: readonly TreeAlgorithm[] = ['sha256']): Promise<void> {
  while ((await growTree(sequencer, trees)) > 0) continue
}
