import type pg from 'pg'
import { readCheckpoint } from '../src/audit/checkpoint.ts'
import { rootByInclusion } from '../src/audit/merkle.ts'
import { readNote } from '../src/audit/note.ts'
import { SUBJECT_BYTES } from '../src/audit/subjects.ts'
import type { AskedPerson } from '../src/sharing/records.ts'
import { searchLog, tokenOf, type FoundPage, type LogContext } from '../src/sharing/who-saw.ts'
import type { LogFilter } from '../src/store/sightings.ts'

export interface Times {
  readonly p50: number
  readonly p99: number
}

/** Where questions are asked, and what is true. */
export interface Asking {
  readonly context: LogContext
  readonly owner: pg.Client
  readonly truth: Truth
}

/** The places of each planted token, the newest first, by hexadecimal token. */
export type Truth = ReadonlyMap<string, readonly number[]>

/** Reads every manifest from beginning to end. */
export async function scanAll(owner: pg.Client, tokens: readonly Buffer[]): Promise<Truth> {
  const truth = new Map<string, number[]>(tokens.map((token) => [token.toString('hex'), []]))
  await owner.query('begin')
  await owner.query(
    `declare scan no scroll cursor for select leaf_index, subjects from audit.tree_leaf join audit.manifest using (lane_id, lane_seq)
      order by leaf_index desc`,
  )
  for (;;) {
    const { rows } = await owner.query<{ leaf_index: number; subjects: Buffer }>('fetch 5000 from scan')
    for (const { leaf_index: place, subjects } of rows)
      for (let at = 0; at < subjects.length; at += SUBJECT_BYTES)
        truth.get(subjects.toString('hex', at, at + SUBJECT_BYTES))?.push(place)
    if (rows.length === 0) break
  }
  await owner.query('commit')
  return truth
}

export const timesOf = (times: readonly number[]): Times => {
  const sorted = times.toSorted((one, other) => one - other)
  const at = (part: number): number => Math.round(sorted[Math.floor((sorted.length - 1) * part)] ?? 0)
  return { p50: at(0.5), p99: at(0.99) }
}

const LIMIT = 50

interface Answered {
  readonly pages: readonly FoundPage[]
  readonly firstMs: number
}

async function askAll(context: LogContext, person: AskedPerson): Promise<Answered> {
  const pages: FoundPage[] = []
  const startedAt = performance.now()
  let firstMs = 0
  let before: number | null = null
  do {
    const page: FoundPage = await searchLog(context, 'account:auditor', { person, filter: {}, before, limit: LIMIT })
    if (pages.length === 0) firstMs = performance.now() - startedAt
    pages.push(page)
    before = page.before
  } while (before !== null)
  return { pages, firstMs }
}

const isLook = ({ body }: { readonly body: Buffer }): boolean => body.includes('"type":"audit.searched"')

const isNewer = (one: number | null, other: number | null): number => Number(other) - Number(one)

/** Places that were told, without the looks themselves. */
const placesOf = ({ pages }: Answered): readonly (number | null)[] =>
  pages.flatMap(({ entries }) =>
    entries
      .filter((entry) => !isLook(entry))
      .map(({ leafIndex }) => leafIndex)
      .toSorted(isNewer),
  )

/** How many entries have no proof that leads to the root of the checkpoint. */
function countUnproved({ pages }: Answered): { readonly proofs: number; readonly unproved: number } {
  const proved = pages.flatMap(({ entries, checkpoint }) => {
    const head = readCheckpoint(readNote(checkpoint?.note ?? '')?.text ?? '')
    return entries
      .filter((entry) => !isLook(entry))
      .map(({ proof }) => {
        if (proof === null || head === null) return false
        const leaf = { index: proof.leafIndex, hash: proof.leafHash }
        return rootByInclusion(leaf, head.size, proof.path)?.equals(head.root) === true
      })
  })
  return { proofs: proved.length, unproved: proved.filter((isProved) => !isProved).length }
}

export interface Asked {
  readonly wrong: number
  readonly proofs: number
  readonly unproved: number
  readonly times: readonly number[]
}

/** Asks for every page of every person. */
export async function askEverybody({ context, truth }: Asking, people: readonly AskedPerson[]): Promise<Asked> {
  let [wrong, proofs, unproved] = [0, 0, 0]
  const times: number[] = []
  for (const person of people) {
    const answered = await askAll(context, person)
    const expected = truth.get(tokenOf(context.keys, person).toString('hex')) ?? []
    if (JSON.stringify(placesOf(answered)) !== JSON.stringify(expected)) wrong += 1
    const counted = countUnproved(answered)
    proofs += counted.proofs
    unproved += counted.unproved
    times.push(answered.firstMs)
  }
  return { wrong, proofs, unproved, times }
}

const SCAN = `select leaf_index::int8 as place from audit.tree_leaf join audit.entry using (lane_id, lane_seq)
  cross join lateral (select convert_from(body, 'UTF8')::jsonb as said) as told
  where leaf_index < $1`

/** Filters, each with the condition by which a plain scan of the bodies finds the same. */
const searches: readonly { readonly filter: LogFilter; readonly condition: string }[] = [
  { filter: {}, condition: 'true' },
  { filter: { actor: 'consumer:system-7' }, condition: `said->>'actor' = 'consumer:system-7'` },
  { filter: { actor: 'consumer:nobody' }, condition: 'false' },
  { filter: { purpose: 'LZ-QD-003' }, condition: `said->>'purpose' = 'LZ-QD-003'` },
  { filter: { dataset: 'event' }, condition: `said->>'dataset' = 'event'` },
  { filter: { department: 'department-9' }, condition: `said->'details'->>'department' = 'department-9'` },
  { filter: { type: 'changes.pulled' }, condition: `said->>'type' = 'changes.pulled'` },
  { filter: { outcome: 'denied' }, condition: `said->>'outcome' = 'denied'` },
  { filter: { object: 'case/4711' }, condition: `said->>'object' = 'case/4711'` },
  {
    filter: { from: new Date('2024-02-01T00:00:00Z'), to: new Date('2024-02-02T00:00:00Z') },
    condition: `(said->>'recordedAt')::timestamptz >= '2024-02-01' and (said->>'recordedAt')::timestamptz < '2024-02-02'`,
  },
  {
    filter: { actor: 'consumer:system-3', outcome: 'denied', dataset: 'household', department: 'department-2' },
    condition: `said->>'actor' = 'consumer:system-3' and said->>'outcome' = 'denied' and said->>'dataset' = 'household'
      and said->'details'->>'department' = 'department-2'`,
  },
]

/** Asks by every filter three times. */
export async function searchAll(
  { context, owner }: Asking,
  size: number,
): Promise<{ readonly wrong: number; readonly times: readonly number[] }> {
  let wrong = 0
  const times: number[] = []
  for (const { filter, condition } of searches) {
    const { rows } = await owner.query<{ place: number }>(
      `${SCAN} and ${condition} order by leaf_index desc limit ${LIMIT}`,
      [size],
    )
    for (let turn = 0; turn < 3; turn++) {
      const startedAt = performance.now()
      const page = await searchLog(context, 'account:auditor', { person: null, filter, before: size, limit: LIMIT })
      times.push(performance.now() - startedAt)
      const found = page.entries.map(({ leafIndex }) => leafIndex).toSorted(isNewer)
      if (JSON.stringify(found) !== JSON.stringify(rows.map(({ place }) => place))) wrong += 1
    }
  }
  return { wrong, times }
}
