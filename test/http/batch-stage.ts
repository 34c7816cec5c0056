import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { FileFormat } from '../../src/feeds/manifest-file.ts'
import type { Manifest } from '../../src/feeds/manifest-types.ts'
import { openFeedSource } from '../../src/ingest/feed-source.ts'
import { runFeed } from '../../src/ingest/run-feed.ts'
import { createEgressGuard } from '../../src/security/egress.ts'
import { signRequest } from '../../src/security/request-signature.ts'
import { seal } from '../../src/security/seal.ts'
import { findFeedOfRun, type Feed } from '../../src/store/feeds.ts'
import { claimRun, findRun, requestRun, type Run } from '../../src/store/runs.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerFeed, residentRows } from '../support/ledger.ts'
import { openDoor } from './door.ts'

const KEY = 'app-of-civil-affairs'
const SECRET = 'made-up-posting-secret'

/** What a department sends; what is not given is right, and ten rows. */
export interface Post {
  readonly batchNo?: string
  readonly body?: string | Buffer
  readonly type?: string
  readonly secret?: string
  readonly nonce?: string
  readonly aheadMs?: number
  /** What is sent instead of what was signed. */
  readonly sent?: string
  readonly door?: number
}

type Told = Readonly<Record<string, unknown>>

/** What happens to a run between its pages: `page` is the number of the page that is about to be read, Infinity behind the last. */
export type Meanwhile = (page: number) => Promise<void>

const undisturbed: Meanwhile = () => Promise.resolve()

export const rowsOf = (first: number, last: number): string => JSON.stringify(residentRows(first, last))

/** A feed whose department posts, and its product: two replicas of the API on one installation. */
export interface BatchStage {
  readonly installation: TestInstallation
  readonly feed: () => Feed
  /** A new feed that takes the place of the one before. */
  readonly addFeed: (upload: FileFormat, change?: Partial<Manifest>) => Promise<void>
  readonly send: (method: 'GET' | 'POST', path: string, post: Post) => Promise<Told>
  readonly post: (given: Post) => Promise<Told>
  readonly ask: (batchNo: string) => Promise<Told>
  /** The feed's run, as a worker does it. */
  readonly work: (meanwhile?: Meanwhile) => Promise<Run>
  readonly countRows: (table: string) => Promise<number>
  readonly close: () => Promise<void>
}

/** A run of the feed that is free to be taken, as a worker would find it. */
async function claim({ database, asOwner }: TestInstallation, feed: Feed) {
  const { runId } = await requestRun(database.query, feed.feedId)
  await asOwner('update gridbridge.run set lease_until = null where run_id = $1', [runId])
  const lease = await claimRun(database.query, runId)
  if (lease === null) throw new Error('wanted a free run')
  return lease
}

async function workOn(installation: TestInstallation, of: Feed, meanwhile: Meanwhile): Promise<Run> {
  const { database, datasets, keys } = installation
  const lease = await claim(installation, of)
  const dataset = datasets.get(of.dataset)
  if (dataset === undefined) throw new Error('wanted the dataset of the feed')
  const feed = await findFeedOfRun(database.query, lease.runId)
  const opened = await openFeedSource({ database, keys, egress: createEgressGuard([]) }, feed)
  let pages = 0
  const source: typeof opened = {
    ...opened,
    readPage: async (cursor, now) => {
      await meanwhile(++pages)
      const page = await opened.readPage(cursor, now)
      if (page.done) await meanwhile(Infinity)
      return page
    },
  }
  await runFeed({ database, feed, dataset, source, keys, lease, sliceEndsAt: Infinity }).catch(() => undefined)
  return findRun(database.query, lease.runId)
}

async function registerPushFeed(
  installation: TestInstallation,
  code: string,
  upload: FileFormat,
  change: Partial<Manifest>,
) {
  const feed = await registerFeed(installation, code, {
    source: {
      kind: 'push',
      auth: { kind: 'hmac', digest: 'sm3', appKey: 'appKey', appSecret: 'appSecret' },
      upload,
      pageSize: 4,
    },
    limits: { pageBytes: 20_000, pages: 1000 },
    quality: { errorBudget: { records: 100, ratio: 1 } },
    ...change,
  })
  const clear = JSON.stringify({ appKey: KEY, appSecret: SECRET })
  const secrets = seal(installation.keys.sealing, `feed-secrets|${code}`, clear)
  await installation.asOwner('update gridbridge.feed set secrets = $2 where feed_id = $1', [feed.feedId, secrets])
  return feed
}

const answerOf = (door: FastifyInstance | undefined, method: 'GET' | 'POST', path: string, post: Post) => {
  const { body = '', secret = SECRET, nonce = randomUUID(), aheadMs = 0, batchNo = 'B-1' } = post
  const signed = { method, path, query: [], body, appKey: KEY, secret, timestamp: Date.now() + aheadMs, nonce }
  const headers = { ...signRequest(signed), 'x-batch-no': batchNo, 'content-type': post.type ?? 'application/json' }
  const payload = method === 'GET' ? {} : { payload: post.sent ?? body }
  return door?.inject({ method, url: path, headers, ...payload })
}

export async function openBatchStage(name: string): Promise<BatchStage> {
  const installation = await openTestInstallation(name)
  const doors = [await openDoor(installation), await openDoor(installation)]
  let feeds = 0
  let current: Feed | null = null
  const feed = (): Feed => {
    if (current === null) throw new Error('wanted a feed; add one first')
    return current
  }
  const send: BatchStage['send'] = async (method, path, post) => {
    const answer = await answerOf(doors[post.door ?? 0], method, path, post)
    return { status: answer?.statusCode, ...(answer?.json() as Told) }
  }
  return {
    installation,
    feed,
    addFeed: async (upload, change = {}) => {
      feeds += 1
      current = await registerPushFeed(installation, `LZ-MZ-PU-${String(feeds).padStart(3, '0')}`, upload, change)
    },
    send,
    post: (given) => send('POST', `/api/v1/feeds/${feed().code}/batches`, { body: rowsOf(1, 10), ...given }),
    ask: (batchNo) => send('GET', `/api/v1/feeds/${feed().code}/batches/${batchNo}`, {}),
    work: (meanwhile = undisturbed) => workOn(installation, feed(), meanwhile),
    countRows: async (table) => {
      const [row] = await installation.asOwner<{ rows: number }>(
        `select count(*)::int as rows from gridbridge.${table}`,
      )
      return row?.rows ?? -1
    },
    close: async () => {
      await Promise.all(doors.map((door) => door.close()))
      await installation.close()
    },
  }
}
