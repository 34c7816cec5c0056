import { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { FIRST_PLACE, readChanges, readChangesBetween, type ChangePlace } from '../../src/store/changes.ts'
import type { Feed } from '../../src/store/feeds.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { everythingOf, registerFeed, residentRows, settleChanges, storeRows } from '../support/ledger.ts'

let installation: TestInstallation
let feed: Feed
let feeds = 0
beforeAll(async () => {
  installation = await openTestInstallation('changes')
})
afterAll(() => installation.close())
beforeEach(async () => {
  feeds += 1
  feed = await registerFeed(installation, `LZ-GA-RK-${String(feeds).padStart(3, '0')}`)
  await installation.asOwner('truncate gridbridge.record')
})

/** A transaction of another process that inserts one record and is left open. */
async function insertWithoutCommit(id: string): Promise<Client> {
  const client = new Client({ connectionString: installation.ownerUrl })
  await client.connect()
  onTestFinished(() => client.end())
  await client.query('begin')
  await client.query(
    `insert into gridbridge.record (feed_id, source_record_id, dataset_id, version, change_tx, change_seq, masked)
       values ($1, $2, $3, 1, pg_current_xact_id(), 1, '{}')`,
    [feed.feedId, id, feed.datasetId],
  )
  return client
}

const commit = (client: Client): Promise<unknown> => client.query('commit')

type Reader = (
  after: ChangePlace,
) => Promise<readonly { readonly recordId: string; readonly tx: string; readonly seq: number }[]>

/** Polls as a consumer does: each time from the last place that was handed out. */
function createPoller(read: Reader): () => Promise<readonly string[]> {
  const seen: string[] = []
  let cursor = FIRST_PLACE
  return async () => {
    const changes = await read(cursor)
    for (const { recordId, tx, seq } of changes) {
      seen.push(recordId)
      cursor = { tx, seq }
    }
    return seen
  }
}

const fenced: Reader = (after) => readChanges(installation.database.query, everythingOf(feed.datasetId), after, 100)

/** The same feed without the fence: what a bare order of keys gives. */
const unfenced: Reader = (after) =>
  installation.asOwner(
    `select source_record_id as "recordId", change_tx::text as tx, change_seq as seq from gridbridge.record
      where dataset_id = $1 and (change_tx, change_seq) > ($2::xid8, $3) order by change_tx, change_seq`,
    [feed.datasetId, after.tx, after.seq],
  )

test('a transaction that began first and commits last is not lost to a reader that polls meanwhile', async () => {
  const safe = createPoller(fenced)
  const naive = createPoller(unfenced)
  const first = await insertWithoutCommit('began-first')
  const second = await insertWithoutCommit('began-second')
  await commit(second)
  expect(await safe()).toEqual([])
  expect(await naive()).toEqual(['began-second'])
  await commit(first)
  await settleChanges(installation)
  expect(await safe()).toEqual(['began-first', 'began-second'])
  // The proof that the fence is needed: the same reader without it has passed the place by for ever.
  expect(await naive()).toEqual(['began-second'])
})

test('what was rolled back never appears and holds nothing up', async () => {
  const poll = createPoller(fenced)
  const first = await insertWithoutCommit('rolled-back')
  await commit(await insertWithoutCommit('kept'))
  await first.query('rollback')
  await settleChanges(installation)
  expect(await poll()).toEqual(['kept'])
})

test('pages of one transaction go on where the last one ended, however small they are', async () => {
  await storeRows(installation, feed, residentRows(1, 25))
  const poll = createPoller((after) => readChanges(installation.database.query, everythingOf(feed.datasetId), after, 4))
  let seen: readonly string[] = []
  for (let page = 0; page < 8; page++) seen = await poll()
  expect(seen).toEqual(residentRows(1, 25).map(({ id }) => id))
})

test('a record is offered once, as its newest version, and a tombstone has no content', async () => {
  await storeRows(installation, feed, residentRows(1, 3))
  await storeRows(installation, feed, [
    ...residentRows(1, 1, { lxfs: '19900000002' }),
    ...residentRows(2, 2, { scbz: '1' }),
  ])
  const changes = await readChanges(installation.database.query, everythingOf(feed.datasetId), FIRST_PLACE, 100)
  expect(changes.map(({ recordId, version, masked }) => [recordId, version, masked === null])).toEqual([
    ['R-3', 1, false],
    ['R-1', 2, false],
    ['R-2', 2, true],
  ])
})

test('what is left of a range is what has not changed since, and nothing beyond it', async () => {
  await storeRows(installation, feed, residentRows(1, 4))
  const range = await readChanges(installation.database.query, everythingOf(feed.datasetId), FIRST_PLACE, 100)
  const end = range.at(-1) ?? FIRST_PLACE
  await storeRows(installation, feed, [...residentRows(2, 2, { lxfs: '19900000002' }), ...residentRows(5, 5)])
  const left = await readChangesBetween(installation.database.query, everythingOf(feed.datasetId), FIRST_PLACE, end)
  expect(left.map(({ recordId }) => recordId)).toEqual(['R-1', 'R-3', 'R-4'])
})

test('another dataset is another feed of changes', async () => {
  await storeRows(installation, feed, residentRows(1, 2))
  expect(await readChanges(installation.database.query, everythingOf(feed.datasetId + 1), FIRST_PLACE, 100)).toEqual([])
})
