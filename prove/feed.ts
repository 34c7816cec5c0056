import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { loadConfig } from '../src/config.ts'
import type { Dataset } from '../src/feeds/datasets.ts'
import { openInstallation } from '../src/installation.ts'
import { createEgressGuard } from '../src/security/egress.ts'
import type { KeyRing } from '../src/security/key-ring.ts'
import { pushChanges } from '../src/sharing/push.ts'
import { findAgreement } from '../src/store/agreements.ts'
import { MERGED_FEED } from '../src/store/changes.ts'
import { openDatabase, type Database } from '../src/store/database.ts'
import { registerConsumer } from '../test/support/ledger.ts'
import { keepPulling, keepReadingUnfenced, startReceiver, type Holdings, type Receiver } from './feed-readers.ts'
import { openWritten, WRITTEN_DATASET, writePages, type Written, type WrittenCounts } from './feed-writers.ts'
import { createRandom } from './random.ts'

export interface FeedOptions {
  readonly writers: number
  readonly seconds: number
  readonly seed: number
}

export interface FeedVerdict {
  readonly ok: boolean
  readonly seed: number
  readonly commits: number
  readonly rollbacks: number
  readonly late: number
  readonly stored: number
  /** Changes applied by each consumer: three that pull, two that are pushed to. */
  readonly applied: readonly number[]
  /** Records of which a consumer's version is not the store's, over all consumers. */
  readonly wrong: number
  /** Versions that came after a newer one, over all consumers. */
  readonly older: number
  /** Versions that a pull gave a second time; a push may, when a retry has other bytes. */
  readonly pulledTwice: number
  readonly pushedTwice: number
  /** Deliveries that came again under their id. */
  readonly redeliveries: number
  /** What a reader without the fence got wrong in the same minute: the fence is needed. */
  readonly unfencedWrong: number
}

/** What the feed is played on. */
export interface FeedStage {
  readonly database: Database
  readonly keys: KeyRing
  readonly datasets: ReadonlyMap<string, Dataset>
}

const PULL_LIMITS = [7, 100, 1000] as const

/** Records of which a consumer does not hold exactly the store's version. */
export async function countWrong(database: Database, datasetId: number, { held }: Holdings): Promise<number> {
  const rows = await database.query<{ id: string; version: number }>(
    `select $2 || '/' || source_record_id as id, version from record where dataset_id = $1 and masked is not null`,
    [datasetId, MERGED_FEED.code],
  )
  const wrong = rows.filter(({ id, version }) => held.get(id) !== version).length
  const stored = new Set(rows.map(({ id }) => id))
  return wrong + [...held.keys()].filter((id) => !stored.has(id)).length
}

/** Delivers again and again until nothing is left after the writers have ended. */
async function keepPushing(
  stage: FeedStage & { readonly databaseUrl: string },
  subscriptionId: number,
  isOver: () => boolean,
): Promise<void> {
  const egress = createEgressGuard(['loopback'])
  for (;;) {
    const isLast = isOver()
    // A refused delivery waits for its turn by the database's clock; here it comes due at once.
    await stage.database.query('update subscription set not_before = null where subscription_id = $1', [subscriptionId])
    const context = { ...stage, egress, auditDeadlineMs: 2000, sliceEndsAt: Date.now() + 5000 }
    const outcome = await pushChanges(context, subscriptionId)
    if (isLast && outcome === 'idle') return
    await wait(20)
  }
}

async function write(
  stage: FeedStage & { readonly databaseUrl: string },
  options: FeedOptions,
  to: Written,
): Promise<readonly WrittenCounts[]> {
  const database = openDatabase({ url: stage.databaseUrl, processName: 'writers', connections: options.writers })
  const until = Date.now() + options.seconds * 1000
  try {
    return await Promise.all(
      Array.from({ length: options.writers }, (_, writer) =>
        writePages(database, to, { writer, until, seed: options.seed }),
      ),
    )
  } finally {
    await database.close()
  }
}

/** Waits until every commit can be read: the fence stops below the oldest transaction of the server. */
export async function settle({ database }: Pick<FeedStage, 'database'>): Promise<void> {
  const unsettled = 'select from record where change_tx >= pg_snapshot_xmin(pg_current_snapshot()) limit 1'
  while ((await database.query(unsettled)).length > 0) await wait(20)
}

const sum = <Item>(items: readonly Item[], of: (item: Item) => number): number =>
  items.reduce((total, item) => total + of(item), 0)

/** Consumers that pull and receivers of pushes follow the feed while writers commit, late and out of order, and some are rolled back. */
export async function playFeed(
  stage: FeedStage & { readonly databaseUrl: string },
  options: FeedOptions,
): Promise<FeedVerdict> {
  const registrar = { ...stage, asOwner: stage.database.query } as Parameters<typeof registerConsumer>[0]
  const to = await openWritten(stage)
  const { datasetId } = to.owner
  const receivers: Receiver[] = await Promise.all(
    [1, 2].map((number) => startReceiver(createRandom(options.seed + number))),
  )
  const pushed = await Promise.all(
    receivers.map(({ url }, place) => registerConsumer(registrar, `pushed-${place}`, { webhookUrl: url })),
  )
  const puller = await registerConsumer(registrar, 'puller')
  const agreement = await findAgreement(stage.database.query, puller.consumerId, WRITTEN_DATASET)
  let over = false
  const isOver = (): boolean => over
  const context = { ...stage, auditDeadlineMs: 5000 }
  const pulling = PULL_LIMITS.map((limit) => keepPulling(context, agreement, { limit, isOver }))
  const pushing = pushed.map(({ subscriptionId }) => keepPushing(stage, subscriptionId ?? -1, isOver))
  const unfenced = keepReadingUnfenced(stage.database.query, datasetId, isOver)
  const written = await write(stage, options, to)
  await settle(stage)
  over = true
  const pullers = await Promise.all(pulling)
  await Promise.all(pushing)
  for (const receiver of receivers) receiver.close()
  const holdings = [...pullers, ...receivers.map((receiver) => receiver.holdings)]
  const wrong = sum(
    await Promise.all(holdings.map((one) => countWrong(stage.database, datasetId, one))),
    (count) => count,
  )
  const older = sum(holdings, (one) => one.older)
  const pulledTwice = sum(pullers, ({ repeated }) => repeated)
  const unfencedWrong = await countWrong(stage.database, datasetId, await unfenced)
  return {
    ok: wrong + older + pulledTwice === 0 && unfencedWrong > 0,
    seed: options.seed,
    commits: sum(written, ({ commits }) => commits),
    rollbacks: sum(written, ({ rollbacks }) => rollbacks),
    late: sum(written, ({ late }) => late),
    stored: pullers[0]?.held.size ?? 0,
    applied: holdings.map(({ applied }) => applied),
    wrong,
    older,
    pulledTwice,
    pushedTwice: sum(receivers, ({ holdings: { repeated } }) => repeated),
    redeliveries: sum(receivers, ({ repeats }) => repeats()),
    unfencedWrong,
  }
}

/** The same on an installation of its own. */
export async function proveFeed(options: FeedOptions): Promise<FeedVerdict> {
  const data = mkdtempSync(path.join(tmpdir(), 'gridbridge-feed-'))
  const installation = await openInstallation(loadConfig({ GRIDBRIDGE_DATA: data }), 'prove', 12)
  try {
    return await playFeed(installation, options)
  } finally {
    await installation.close()
    rmSync(data, { recursive: true, force: true })
  }
}
