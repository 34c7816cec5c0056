import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { loadConfig } from '../src/config.ts'
import { asPushFeed, readBatch, type PushFeed } from '../src/ingest/receive-batch.ts'
import { openInstallation, type Installation } from '../src/installation.ts'
import { seal } from '../src/security/seal.ts'
import { findFeed, insertFeed } from '../src/store/feeds.ts'
import { takeChunk } from '../src/store/push-batches.ts'
import { manifestAround } from './cursor-manifest.ts'
import type { Product } from './cursor-product.ts'
import type { World } from './cursor-world.ts'
import { countWrites, planWrites, type Commit, type WritePlan } from './cursor-writes.ts'
import type { Random } from './random.ts'

/** An installation that departments post to, shared by many schedules, each with a feed of its own. */
export interface PushServer {
  readonly installation: Installation
  readonly close: () => Promise<void>
}

export async function startPushServer(): Promise<PushServer> {
  const data = mkdtempSync(path.join(tmpdir(), 'gridbridge-push-'))
  const installation = await openInstallation(loadConfig({ GRIDBRIDGE_DATA: data }), 'prove', 20)
  return {
    installation,
    close: async () => {
      await installation.close()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

const plan: WritePlan = {
  transactions: 40,
  spanMs: 600,
  settleMs: 60,
  lookbackMs: 60,
  grainMs: 10,
  bulk: 9,
}

let feeds = 0

async function addFeed({ database, keys }: Installation): Promise<PushFeed> {
  const code = `PROVE-PUSH-${++feeds}`
  const manifest = manifestAround({
    kind: 'push',
    auth: { kind: 'hmac', digest: 'sm3', appKey: 'appKey', appSecret: 'appSecret' },
    pageSize: 3,
  })
  const named = { ...manifest, feed: { ...manifest.feed, code, department: 'public-security' } }
  await insertFeed(database.query, named, seal(keys.sealing, `feed-secrets|${code}`, '{}'))
  const feed = asPushFeed(await findFeed(database.query, code))
  if (feed === null) throw new Error('wanted a feed that is posted to')
  return feed
}

/** Posts a batch, and now and then the same one twice at once, as a department does whose first answer was lost. */
async function post({ database, keys }: Installation, feed: PushFeed, commit: Commit, times: number): Promise<void> {
  const rows = commit.versions.map(({ id, version }) => ({ id, v: version }))
  const body = Buffer.from(JSON.stringify(rows))
  const batch = { batchNo: `B-${commit.begunAt}-${rows[0]?.id ?? ''}`, contentType: 'application/json', body }
  await Promise.all(
    Array.from({ length: times }, async () => {
      const keep = await readBatch(feed, batch, keys)
      await database.transaction(keep)
    }),
  )
}

/** A department that posts while its batches are read, in real time. */
export async function openPushWorld({ installation }: PushServer, product: Product, random: Random): Promise<World> {
  const feed = await addFeed(installation)
  const commits = planWrites(plan, 0, random)
  const startedAt = Date.now()
  let isPosted = false
  const posting = Promise.all(
    commits.map(async (commit) => {
      const times = random(3) === 0 ? 2 : 1
      await wait(Math.max(0, startedAt + commit.committedAt - Date.now()))
      await post(installation, feed, commit, times)
    }),
  ).finally(() => {
    isPosted = true
  })
  const versions = commits.flatMap((commit) => commit.versions)
  return {
    open: async () => product.openPushSource({ ...installation, feed }),
    now: () => new Date(),
    pass: (ms) => wait(ms),
    isOver: () => isPosted,
    commit: async ({ chunk, rows }) => {
      if (chunk !== undefined) await takeChunk(installation.database.query, chunk, { valid: rows.length, rejected: 0 })
    },
    newest: async () => {
      await posting
      return new Map(versions.toSorted((a, b) => a.version - b.version).map(({ id, version }) => [id, version]))
    },
    counts: () => countWrites(commits),
    close: async () => void (await posting),
    pauseMs: 40,
  }
}
