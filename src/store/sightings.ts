import type { Query } from './database.ts'

/** An entry as a search finds it. */
export interface LoggedEntry {
  /** Its place in the tree; null: it was committed a moment ago and has none yet. */
  readonly leafIndex: number | null
  readonly body: Buffer
  /** Of its feed, or of its details. */
  readonly department: string | null
}

/** An entry with the persons that it names. */
export interface Sighting extends LoggedEntry {
  readonly subjects: Buffer
}

const ENTRY = `leaf_index as "leafIndex", body,
  coalesce(convert_from(body, 'UTF8')::jsonb->'details'->>'department', (select department from feed where code = entry.feed)) as department`

/** Entries that wait for the index and may name the token; whether they do, their manifests say. */
export async function findWaiting(query: Query, token: Buffer): Promise<readonly Sighting[]> {
  return query<Sighting>(
    `select ${ENTRY}, subjects from audit.manifest_waiting
       join audit.manifest using (lane_id, lane_seq) join audit.entry using (lane_id, lane_seq) left join audit.tree_leaf using (lane_id, lane_seq)
      where position($1 in subjects) > 0`,
    [token],
  )
}

/** The entries at these places that name persons, the newest first. */
export async function readSightings(query: Query, places: readonly number[]): Promise<readonly Sighting[]> {
  return query<Sighting>(
    `select ${ENTRY}, subjects from audit.tree_leaf
       join audit.manifest using (lane_id, lane_seq) join audit.entry using (lane_id, lane_seq)
      where leaf_index = any($1::bigint[]) order by leaf_index desc`,
    [places],
  )
}

/** The places from one up to another, without it, whose manifests may name the token, by reading every one of them; the newest first. */
export async function scanPlaces(
  query: Query,
  token: Buffer,
  from: number,
  before: number,
): Promise<readonly number[]> {
  const rows = await query<{ place: number }>(
    `select leaf_index as place from audit.tree_leaf join audit.manifest using (lane_id, lane_seq)
      where leaf_index >= $2 and leaf_index < $3 and position($1 in subjects) > 0 order by leaf_index desc`,
    [token, from, before],
  )
  return rows.map(({ place }) => place)
}

/** What entries are looked for by; what is not there may be anything. */
export interface LogFilter {
  readonly type?: string
  readonly actor?: string
  readonly outcome?: string
  readonly object?: string
  readonly purpose?: string
  readonly dataset?: string
  readonly department?: string
  readonly from?: Date
  /** Not counted in. */
  readonly to?: Date
}

const conditions = {
  type: 'event_type =',
  actor: 'actor =',
  outcome: 'outcome =',
  object: 'object =',
  purpose: 'purpose =',
  dataset: 'dataset =',
  department: 'department =',
  from: 'recorded_at >=',
  to: 'recorded_at <',
} as const satisfies Record<keyof LogFilter, string>

/** Entries before a place that fit the filter, the newest first, at most `limit`; those of the last seconds are not copied yet. */
export async function searchEntries(
  query: Query,
  filter: LogFilter,
  before: number,
  limit: number,
): Promise<readonly LoggedEntry[]> {
  const wanted = (Object.keys(conditions) as (keyof LogFilter)[]).filter((name) => filter[name] !== undefined)
  const asked = wanted.map((name, place) => `and ${conditions[name]} $${place + 3}`)
  return query<LoggedEntry>(
    `select found.leaf_index as "leafIndex", body, found.department
       from (select leaf_index, department from audit.search_row where leaf_index < $1 ${asked.join(' ')}
              order by leaf_index desc limit $2) as found
       join audit.tree_leaf using (leaf_index) join audit.entry using (lane_id, lane_seq) order by found.leaf_index desc`,
    [before, limit, ...wanted.map((name) => filter[name])],
  )
}
