import { setTimeout as wait } from 'node:timers/promises'
import { protectCursor } from '../src/ingest/protect.ts'
import { toAppError } from '../src/errors.ts'
import type { Feed } from '../src/store/feeds.ts'
import { claimRun, endRun, requestRun } from '../src/store/runs.ts'
import { savePage } from '../src/store/save-page.ts'
import type { TestInstallation } from '../test/support/installation.ts'
import { makePage, settleChanges, type RegisteredConsumer } from '../test/support/ledger.ts'
import type { Random } from './random.ts'
import { nameOf, residentOf, type Town } from './rotate-people.ts'

/** What the readers and writers of one proof came to. */
export interface LoadCounts {
  requests: number
  /** Requests that were not answered with 200, and pages that were not saved. */
  failed: number
  /** Records that were answered with other values than were stored. */
  wrong: number
  /** The first few failures, as status and code. */
  readonly failures: string[]
}

export const openCounts = (): LoadCounts => ({ requests: 0, failed: 0, wrong: 0, failures: [] })

/** One running API, and what is asked of it until it is over. */
export interface LoadStage {
  readonly url: string
  readonly consumer: RegisteredConsumer
  readonly town: Town
  readonly counts: LoadCounts
  readonly isOver: () => boolean
}

interface Change {
  readonly id: string
  readonly version: number
  readonly record: { readonly name?: unknown; readonly certNumber?: unknown } | null
}

interface ChangePage {
  readonly changes: readonly Change[]
  readonly cursor: string
  readonly hasMore: boolean
}

type Row = Readonly<Record<string, unknown>>

export type Ask = (path: string) => Promise<unknown>

const TOKEN_MS = 240_000

function noteFailure(counts: LoadCounts, what: string): void {
  counts.failed += 1
  if (counts.failures.length < 10) counts.failures.push(what)
}

async function fetchToken({ url, consumer }: LoadStage): Promise<string> {
  const credentials = Buffer.from(`${consumer.name}:${consumer.clientSecret}`).toString('base64')
  const body = new URLSearchParams({ grant_type: 'client_credentials' })
  const answer = await fetch(`${url}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${credentials}` },
    body,
  })
  return ((await answer.json()) as { readonly access_token: string }).access_token
}

/** Asks as a consumer does, once: an answer that is not 200 is a failure and null. */
export function openAsking(stage: LoadStage): Ask {
  const { url, counts } = stage
  let token = { text: '', until: 0 }
  return async (path) => {
    if (Date.now() > token.until) token = { text: await fetchToken(stage), until: Date.now() + TOKEN_MS }
    counts.requests += 1
    try {
      const answer = await fetch(url + path, { headers: { authorization: `Bearer ${token.text}` } })
      const body: unknown = await answer.json()
      if (answer.status === 200) return body
      noteFailure(counts, `${answer.status} ${(body as { readonly code?: string }).code}`)
    } catch {
      noteFailure(counts, 'no answer')
    }
    return null
  }
}

/** Whether a record was answered as it was stored in that version. */
function isRight(town: Town, { id, version, record }: Change): boolean {
  const expected = town.get(id)
  return expected?.certNumber === record?.certNumber && expected?.names[version - 1] === record?.name
}

const changesPath = (cursor: string, limit: number): string =>
  `/api/v1/datasets/resident/changes?limit=${limit}${cursor === '' ? '' : `&cursor=${cursor}`}`

/** Pulls the whole feed again and again. */
export async function keepPulling(stage: LoadStage, limit: number): Promise<void> {
  const ask = openAsking(stage)
  for (let cursor = ''; !stage.isOver();) {
    const page = (await ask(changesPath(cursor, limit))) as ChangePage | null
    if (page === null) continue
    stage.counts.wrong += page.changes.filter((change) => !isRight(stage.town, change)).length
    cursor = page.hasMore ? page.cursor : ''
    await wait(5)
  }
}

/** Reads one record after the other. */
export async function keepReading(stage: LoadStage, random: Random): Promise<void> {
  const ask = openAsking(stage)
  const ids = [...stage.town.keys()]
  while (!stage.isOver()) {
    const change = (await ask(`/api/v1/datasets/resident/records/${ids[random(ids.length)]}`)) as Change | null
    if (change !== null && !isRight(stage.town, change)) stage.counts.wrong += 1
    await wait(5)
  }
}

/** Goes through the feed to its end. Returns where that is. */
export async function pullToEnd(ask: Ask, hear: (change: Change) => void, from = ''): Promise<string> {
  for (let cursor = from; ;) {
    const page = (await ask(changesPath(cursor, 1000))) as ChangePage | null
    if (page === null) continue
    page.changes.forEach(hear)
    cursor = page.cursor
    if (!page.hasMore) return cursor
  }
}

export interface Followed {
  /** Versions that came by the feed, and those of them that nobody wrote, or that came twice. */
  changes: number
  spurious: number
  readonly seen: Set<string>
}

/** Follows the feed from a place on, as a consumer that holds everything before it. */
export async function keepFollowing(stage: LoadStage, from: string): Promise<Followed> {
  const followed: Followed = { changes: 0, spurious: 0, seen: new Set() }
  const ask = openAsking(stage)
  const hear = (change: Change): void => {
    const name = `${change.id} ${change.version}`
    followed.changes += 1
    if (followed.seen.has(name) || change.version < 2 || !isRight(stage.town, change)) followed.spurious += 1
    followed.seen.add(name)
  }
  for (let cursor = from; ;) {
    const isLast = stage.isOver()
    cursor = await pullToEnd(ask, hear, cursor)
    if (isLast) return followed
    await wait(100)
  }
}

/** What a department's system goes on writing. */
export interface Writing {
  readonly installation: TestInstallation
  readonly feed: Feed
  readonly town: Town
  readonly counts: LoadCounts
  readonly isOver: () => boolean
}

const CHANGED = 20

/** One run of one page, claimed as it is made: a worker that found it waiting would read the department's system. */
async function ingestPage({ installation, feed }: Writing, rows: readonly Row[], page: number): Promise<void> {
  const { database, keys } = installation
  const lease = await database.transaction(async ({ query }) => {
    const { runId } = await requestRun(query, feed.feedId)
    return claimRun(query, runId)
  })
  if (lease === null) throw new Error('the run is held already')
  const cursor = protectCursor({ kind: 'page', page }, { feed: feed.code, keys })
  await savePage(database, feed, lease, makePage(installation, feed, rows, cursor))
  await endRun(database.query, lease, 'done', null)
  await settleChanges(installation)
}

/** Renames some residents, page after page. Returns the newest version of each that was written. */
export async function keepSaving(writing: Writing, random: Random): Promise<ReadonlyMap<string, number>> {
  const { feed, town, counts } = writing
  const residents = [...town.keys()].filter((id) => id.includes('/R-')).length
  const written = new Map<string, number>()
  for (let number = 1; !writing.isOver();) {
    const indexes = [...new Set(Array.from({ length: CHANGED }, () => 1 + random(residents)))]
    const rows = indexes.map((index) => {
      const name = nameOf('李', (number += 1))
      const expected = town.get(`${feed.code}/R-${index}`)
      expected?.names.push(name)
      written.set(`${feed.code}/R-${index}`, expected?.names.length ?? 0)
      return residentOf(index, name)
    })
    try {
      await ingestPage(writing, rows, number)
    } catch (error) {
      noteFailure(counts, `saving ${toAppError(error).code}`)
      return written
    }
    await wait(50)
  }
  return written
}
