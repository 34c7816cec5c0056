import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { abandonReplay, previewReplay, requestReplay, requeue, type WantedRange } from '../../src/sharing/replay.ts'
import { findDeadLetter, listDeadLetters } from '../../src/store/dead-letters.ts'
import { findReplay } from '../../src/store/replays.ts'
import { findSubscription } from '../../src/store/subscriptions.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { residentRows, storeRows } from '../support/ledger.ts'
import { answer } from '../support/receiver.ts'
import { bodyOf, idOf, names, recordsOf, setStage, type PushStage } from './push-stage.ts'

let installation: TestInstallation
let stage: PushStage
beforeAll(async () => {
  installation = await openTestInstallation('push')
})
afterAll(() => installation.close())
beforeEach(async () => {
  stage = await setStage(installation)
})
afterEach(() => stage.receiver.close())

const deed = { actor: 'operator:test', reason: 'a test' } as const
const everything: WantedRange = { from: null, to: null, fromTime: null, toTime: null }
const subscriptionId = (): number => stage.consumer.subscriptionId ?? -1
const readSubscription = () => findSubscription(installation.database.query, subscriptionId(), null)

const preview = async (range: WantedRange) =>
  previewReplay(installation.database.query, await readSubscription(), range)

async function askFor(range: WantedRange): Promise<number> {
  const subscription = await readSubscription()
  return installation.database.transaction((transaction) => requestReplay(transaction, subscription, range, deed))
}

const readReplay = (replayId: number) => findReplay(installation.database.query, subscriptionId(), replayId)

/** Versions by record in the order in which they arrived. */
function arrivals(): Readonly<Record<string, readonly number[]>> {
  const all = stage.receiver.received.flatMap((received) => bodyOf(received).changes)
  return Object.fromEntries(
    [...Map.groupBy(all, ({ id }) => id.split('/')[1] ?? '')].map(([id, changes]) => [
      id,
      changes.map(({ version }) => version),
    ]),
  )
}

test('a preview tells how many records a replay would send and how many were acknowledged, and sends nothing', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 5))
  expect(await preview(everything)).toEqual({ records: 0, acknowledged: 0 })
  await stage.push()
  await storeRows(installation, stage.feed, residentRows(6, 7))
  expect(await preview(everything)).toEqual({ records: 5, acknowledged: 5 })
  expect(stage.receiver.received).toHaveLength(1)
})

test('everything is sent once more under ids of its own, and the replay is done', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 2200))
  await stage.push()
  const replayId = await askFor(everything)
  expect(await stage.push()).toBe('idle')
  const replayed = stage.receiver.received.slice(3)
  expect(recordsOf(replayed)).toEqual(names(1, 2200))
  expect(new Set(stage.receiver.received.map(idOf)).size).toBe(6)
  expect(await readReplay(replayId)).toMatchObject({ state: 'done', records: 2200, acknowledged: 2200, sent: 2200 })
  expect(await stage.push()).toBe('idle')
  expect(stage.receiver.received).toHaveLength(6)
})

test('a range of time holds what changed in it', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 2))
  await storeRows(installation, stage.feed, residentRows(3, 4))
  const [edge] = await installation.asOwner<{ at: Date }>(
    `select min(changed_at) as at from gridbridge.record where source_record_id in ('R-3', 'R-4')`,
  )
  const at = edge?.at ?? new Date()
  await stage.push()
  await askFor({ ...everything, fromTime: at })
  await stage.push()
  expect(recordsOf(stage.receiver.received.slice(1))).toEqual(names(3, 4))
  expect(await preview({ ...everything, toTime: at })).toMatchObject({ records: 2 })
})

test('beside the feed: both get through, and no version follows a newer one', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 2500))
  await stage.push()
  await askFor(everything)
  await storeRows(installation, stage.feed, residentRows(1, 1700, { lxfs: '19900000002' }))
  const changeMore = async (): Promise<void> => {
    await storeRows(installation, stage.feed, residentRows(600, 1900, { lxfs: '19900000003' }))
  }
  const changed: Promise<void>[] = []
  stage.receiver.reactWith((response, received) => {
    const changing = changeMore()
    changed.push(changing)
    void changing.then(() => answer(200)(response, received))
  })
  while ((await stage.push()) === 'more');
  await Promise.all(changed)
  while ((await stage.push()) !== 'idle');
  for (const versions of Object.values(arrivals()))
    expect(versions).toEqual(versions.toSorted((one, other) => one - other))
  const newest = Object.fromEntries(Object.entries(arrivals()).map(([id, versions]) => [id, versions.at(-1)]))
  const stored = await installation.asOwner<{ id: string; version: number }>(
    'select source_record_id as id, version from gridbridge.record',
  )
  expect(newest).toEqual(Object.fromEntries(stored.map(({ id, version }) => [id, version])))
})

test('a replay whose batch is refused waits alone, then dies, and the feed goes on', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 3))
  await stage.push()
  const replayId = await askFor(everything)
  stage.receiver.reactWith(...Array.from({ length: 5 }, () => answer(400)))
  for (let turn = 0; turn < 4; turn++) {
    expect(await stage.push()).toBe('idle')
    await installation.asOwner('update gridbridge.replay set not_before = null')
  }
  await storeRows(installation, stage.feed, residentRows(4, 4))
  stage.receiver.reactWith(answer(200), answer(400))
  await stage.push()
  expect(recordsOf(stage.receiver.received.slice(5, 6))).toEqual(names(4, 4))
  expect(await readReplay(replayId)).toMatchObject({ state: 'done', sent: 0 })
  const letters = await listDeadLetters(installation.database.query, subscriptionId(), null, 10)
  expect(letters).toMatchObject([{ records: 3, left: 3, status: 400 }])
})

test('a cancelled replay ends where it is', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 2200))
  expect(await stage.push()).toBe('idle')
  const replayId = await askFor(everything)
  const subscription = await readSubscription()
  const cancel = (): Promise<void> =>
    installation.database.transaction((transaction) => abandonReplay(transaction, subscription, replayId, deed))
  stage.receiver.reactWith((response, received) => void cancel().then(() => answer(200)(response, received)))
  expect(await stage.push()).toBe('idle')
  expect(stage.receiver.received).toHaveLength(4)
  expect((await readReplay(replayId)).state).toBe('cancelled')
  await expect(cancel()).rejects.toMatchObject({ code: 'SUBSCRIPTION_STATE' })
})

describe('a dead letter', () => {
  let deliveryId: number
  beforeEach(async () => {
    await storeRows(installation, stage.feed, residentRows(1, 4))
    stage.receiver.reactWith(...Array.from({ length: 5 }, () => answer(422)))
    for (let turn = 0; turn < 5; turn++) {
      await stage.comeDue()
      await stage.push()
    }
    const [letter] = await listDeadLetters(installation.database.query, subscriptionId(), null, 10)
    deliveryId = letter?.deliveryId ?? -1
  })

  async function requeueIt(): Promise<number> {
    const letter = await findDeadLetter(installation.database.query, subscriptionId(), deliveryId)
    const subscription = await readSubscription()
    return installation.database.transaction((transaction) => requeue(transaction, subscription, letter, deed))
  }

  test('counts as not acknowledged until it is sent once more, which sends what is left of it', async () => {
    await storeRows(installation, stage.feed, residentRows(2, 2, { lxfs: '19900000002' }))
    await stage.push()
    expect(await preview(everything)).toEqual({ records: 4, acknowledged: 1 })
    const replayId = await requeueIt()
    expect(await stage.push()).toBe('idle')
    expect(recordsOf(stage.receiver.received.slice(6))).toEqual(['R-1', 'R-3', 'R-4'])
    expect(await readReplay(replayId)).toMatchObject({ state: 'done', deliveryId, sent: 3 })
    expect(await preview(everything)).toEqual({ records: 4, acknowledged: 4 })
    expect(await listDeadLetters(installation.database.query, subscriptionId(), null, 10)).toEqual([])
  })

  test('is requeued once, and is one again when its replay is cancelled', async () => {
    const replayId = await requeueIt()
    await expect(requeueIt()).rejects.toMatchObject({ code: 'SUBSCRIPTION_STATE' })
    const subscription = await readSubscription()
    await installation.database.transaction((transaction) => abandonReplay(transaction, subscription, replayId, deed))
    expect(await listDeadLetters(installation.database.query, subscriptionId(), null, 10)).toHaveLength(1)
  })
})
