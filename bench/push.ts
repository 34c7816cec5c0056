import path from 'node:path'
import pg from 'pg'
import { request } from 'undici'
import { startPart } from '../demo/processes.ts'
import { loadConfig } from '../src/config.ts'
import { openInstallation, type Installation } from '../src/installation.ts'
import { createEgressGuard } from '../src/security/egress.ts'
import { pushChanges } from '../src/sharing/push.ts'
import { selectionOf, share } from '../src/sharing/share.ts'
import { FIRST_PLACE, readChanges, type ChangePlace } from '../src/store/changes.ts'
import { median, round } from './figures.ts'
import { measureLatencies, percentile } from './push-latency.ts'
import { addTarget, type Target } from './push-target.ts'
import { openBenchStage } from './stage.ts'

export interface PushResult {
  /** Records per second, median of the rounds: read, shared, signed, audited, posted, acknowledged. */
  readonly rate: number
  /** Records per second of the floor: the same bodies posted one after the other by the same client, nothing else. */
  readonly floorRate: number
  readonly ratio: number
  /** From the moment a source is asked to the receipt of what had changed in it, by a worker that does nothing else. */
  readonly latencyP50Ms: number
  readonly latencyP95Ms: number
  readonly latencyMaxMs: number
  readonly rounds: readonly { readonly rate: number; readonly floorRate: number }[]
}

const egress = createEgressGuard(['loopback'])
const BATCH_RECORDS = 1000

/** Every body that a subscription from the beginning posts. */
async function makeBodies(
  { database, keys }: Installation,
  { agreement, dataset }: Target,
): Promise<readonly string[]> {
  const selection = selectionOf(agreement, dataset)
  const bodies: string[] = []
  let place: ChangePlace = FIRST_PLACE
  for (;;) {
    const changes = await readChanges(database.query, selection, place, BATCH_RECORDS)
    const last = changes.at(-1)
    if (last === undefined) return bodies
    const shared = share(changes, agreement, { dataset, keys, today: new Date() })
    bodies.push(JSON.stringify({ type: 'dataset.changes', dataset: agreement.dataset, changes: shared }))
    place = last
  }
}

async function postAll(bodies: readonly string[], endpoint: string): Promise<number> {
  const agent = egress.agent(3000)
  const startedAt = performance.now()
  for (const body of bodies) {
    const headers = { 'content-type': 'application/json' }
    const answer = await request(endpoint, { method: 'POST', body, headers, dispatcher: agent })
    await answer.body.dump()
  }
  const seconds = (performance.now() - startedAt) / 1000
  await agent.destroy()
  return seconds
}

async function pushAll({ database, datasets, keys }: Installation, owner: pg.Client, target: Target): Promise<number> {
  await owner.query(`update gridbridge.subscription set cursor_tx = '0', cursor_seq = 0 where subscription_id = $1`, [
    target.subscriptionId,
  ])
  const startedAt = performance.now()
  const context = { database, datasets, keys, egress, auditDeadlineMs: 2000, sliceEndsAt: Number.POSITIVE_INFINITY }
  const outcome = await pushChanges(context, target.subscriptionId)
  if (outcome !== 'idle') throw new Error(`the push ended ${outcome}`)
  return (performance.now() - startedAt) / 1000
}

/** Push against its floor, alternating, to one receiver that only acknowledges; then how long a change takes. */
export async function benchPush(records: number, rounds: number): Promise<PushResult> {
  const stage = await openBenchStage(records)
  const installation = await openInstallation(loadConfig({ GRIDBRIDGE_DATA: stage.directory }), 'bench-push', 8)
  const owner = new pg.Client({ connectionString: stage.databaseUrl })
  await owner.connect()
  const receiver = await startPart<{ listening: string }>({
    name: 'push-receiver',
    logs: path.join(stage.directory, 'logs'),
    script: ['bench/push-receiver.ts'],
  })
  try {
    await stage.load('product', stage.http)
    const target = await addTarget(installation, 'bench-platform', receiver.facts.listening)
    const bodies = await makeBodies(installation, target)
    await pushAll(installation, owner, target)
    const measured = []
    for (let turn = 0; turn < rounds; turn++) {
      const floorSeconds = await postAll(bodies, receiver.facts.listening)
      const seconds = await pushAll(installation, owner, target)
      measured.push({ rate: records / seconds, floorRate: records / floorSeconds })
    }
    const latencies = await measureLatencies(installation, stage.databaseUrl)
    return {
      rate: Math.round(median(measured.map(({ rate }) => rate))),
      floorRate: Math.round(median(measured.map(({ floorRate }) => floorRate))),
      ratio: round(median(measured.map(({ rate, floorRate }) => rate / floorRate))),
      latencyP50Ms: percentile(latencies, 0.5),
      latencyP95Ms: percentile(latencies, 0.95),
      latencyMaxMs: percentile(latencies, 1),
      rounds: measured.map((one) => ({ rate: Math.round(one.rate), floorRate: Math.round(one.floorRate) })),
    }
  } finally {
    await receiver.stop()
    await owner.end()
    await installation.close()
    await stage.close()
  }
}
