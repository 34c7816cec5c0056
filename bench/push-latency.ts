import { createServer } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { startReceiver } from '../test/support/receiver.ts'
import { listen } from '../test/support/listen.ts'
import { createManifest, createResidentRow } from '../test/feeds/sample-manifest.ts'
import { loadConfig } from '../src/config.ts'
import type { Installation } from '../src/installation.ts'
import { openQueues } from '../src/jobs/queues.ts'
import { makeHandlers } from '../src/jobs/workers.ts'
import { createEgressGuard } from '../src/security/egress.ts'
import { seal } from '../src/security/seal.ts'
import { findLastPlace } from '../src/store/delivery-totals.ts'
import { findFeed, insertFeed } from '../src/store/feeds.ts'
import { requestRun } from '../src/store/runs.ts'
import { addTarget } from './push-target.ts'

const CHANGES = 60
const GIVE_UP_AFTER_MS = 20_000
const CODE = 'LZ-GA-RK-900'

export const percentile = (values: readonly number[], part: number): number =>
  Math.round(values.toSorted((one, other) => one - other)[Math.ceil(values.length * part) - 1] ?? 0)

/** A department system that answers the one row that changed last. */
async function startSource(): Promise<{
  readonly url: string
  readonly change: (id: string) => void
  readonly close: () => void
}> {
  let row = createResidentRow({ id: 'R-0' })
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data: { rows: [row] } }))
  })
  const port = await listen(server)
  return {
    url: `http://127.0.0.1:${port}`,
    change: (id) => {
      row = createResidentRow({ id })
    },
    close: () => void server.close(),
  }
}

/** Milliseconds from the moment at which a changed source is asked until the receiver has the change, for each of many changes. */
export async function measureLatencies(installation: Installation, databaseUrl: string): Promise<readonly number[]> {
  const { database, datasets, keys } = installation
  const [source, receiver] = await Promise.all([startSource(), startReceiver()])
  const dataset = await database.query<{ id: number }>("select dataset_id as id from dataset where name = 'resident'")
  await addTarget(
    installation,
    'latency-platform',
    receiver.url,
    await findLastPlace(database.query, dataset[0]?.id ?? 0),
  )
  const manifest = createManifest()
  const pointed = {
    ...manifest,
    feed: { ...manifest.feed, code: CODE },
    source: { ...manifest.source, baseUrl: source.url } as typeof manifest.source,
  }
  await insertFeed(
    database.query,
    pointed,
    seal(keys.sealing, `feed-secrets|${CODE}`, JSON.stringify({ residentToken: 'made-up-token' })),
  )
  const feed = await findFeed(database.query, CODE)
  const queues = openQueues(databaseUrl, null, () => undefined)
  const egress = createEgressGuard(['loopback'])
  const report = (): void => undefined
  const workers = queues.openWorkers(
    makeHandlers({
      database,
      datasets,
      keys,
      egress,
      queues,
      auditDeadlineMs: 2000,
      exportRules: loadConfig({}).exportRules,
      report,
    }),
  )
  const latencies: number[] = []
  try {
    for (let turn = 0; turn < CHANGES; turn++) {
      const id = `R-${turn + 1}`
      source.change(id)
      await wait(100 + Math.random() * 200)
      const askedAt = performance.now()
      const { runId } = await requestRun(database.query, feed.feedId)
      await queues.enqueueRun({ runId, epoch: 0 })
      await untilReceived(receiver, `${CODE}/${id}"`)
      latencies.push(performance.now() - askedAt)
    }
  } finally {
    await workers.close()
    await queues.close()
    receiver.close()
    source.close()
  }
  return latencies
}

async function untilReceived(
  { received }: { readonly received: readonly { readonly body: string }[] },
  text: string,
): Promise<void> {
  const until = Date.now() + GIVE_UP_AFTER_MS
  while (!received.some(({ body }) => body.includes(text))) {
    if (Date.now() > until) throw new Error('a change did not arrive')
    await wait(2)
  }
}
