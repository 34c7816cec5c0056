import { loadConfig } from '../src/config.ts'
import { runFeed } from '../src/ingest/run-feed.ts'
import { openSource } from '../src/ingest/sources/open.ts'
import { openInstallation } from '../src/installation.ts'
import { createEgressGuard } from '../src/security/egress.ts'
import { findFeed, insertFeed } from '../src/store/feeds.ts'
import { claimRun, findRun, requestRun } from '../src/store/runs.ts'
import { answer, readManifest, readTask } from './task.ts'

/** The product's own path, from the department to the committed page, as a worker runs it. */
const task = readTask()
const { manifest, dataset } = readManifest(task)
const installation = await openInstallation(loadConfig(process.env), 'bench', 4)
const { database, keys } = installation
if (!task.again) await database.query('update feed set cursor = null')
await insertFeed(database.query, manifest, new Uint8Array(1)).catch(() => undefined)
const feed = await findFeed(database.query, manifest.feed.code)
const { runId } = await requestRun(database.query, feed.feedId)
const lease = await claimRun(database.query, runId)
if (lease === null) throw new Error('the run is taken')
const source = await openSource(manifest, task.secrets, createEgressGuard(['loopback']))
const startedAt = performance.now()
await runFeed({ database, feed, dataset, source, keys, lease, sliceEndsAt: Number.POSITIVE_INFINITY })
const run = await findRun(database.query, runId)
answer(run.inserted + run.unchanged, startedAt)
await source.close()
await installation.close()
