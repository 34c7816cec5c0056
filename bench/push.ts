import path from 'node:path'
import pg from 'pg'
import { request } from 'undici'
import { startPart } from '../demo/processes.ts'
import { loadConfig } from '../src/config.ts'
import { openInstallation, type Installation } from '../src/installation.ts'
import { createEgressGuard } from '../src/security/egress.ts'
import { createWebhookKey } from '../src/security/webhook-signature.ts'
import { formsOfProfile } from '../src/sharing/agreements.ts'
import { pushChanges } from '../src/sharing/push.ts'
import { share } from '../src/sharing/share.ts'
import { subscribe } from '../src/sharing/subscribe.ts'
import { FIRST_PLACE, readChanges, type ChangePlace } from '../src/store/changes.ts'
import { findAgreement, insertAgreement, insertConsumer, type Agreement } from '../src/store/consumers.ts'
import { median, round } from './figures.ts'
import { measureLatencies, percentile } from './push-latency.ts'
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
const BATCH_RECORDS = 500

interface Target {
  readonly subscriptionId: number
  readonly agreement: Agreement
}

/** A consumer that is granted all residents as the operator profile shows them, pushed to `endpoint`. */
export async function addTarget(
  { database, keys, datasets }: Installation,
  name: string,
  endpoint: string,
  after: ChangePlace | null = null,
): Promise<Target> {
  const dataset = datasets.get('resident')
  if (dataset === undefined) throw new Error('wanted the dataset of residents')
  const consumerId = await insertConsumer(database.query, { name, secretHash: keys.token('credential', name) })
  await insertAgreement(database.query, {
    consumerId,
    dataset: dataset.name,
    forms: formsOfProfile('operator', dataset),
    purpose: 'LZ-QD-001',
    validTo: new Date(Date.now() + 86_400_000),
  })
  const made = { consumerId, consumer: name, dataset: dataset.name, endpoint, demandsReceipt: false, after }
  const secrets = [createWebhookKey('hmac-sha256')]
  const subscriptionId = await database.transaction((transaction) =>
    subscribe(transaction, keys, { ...made, secrets, actor: 'operator:bench' }),
  )
  return { subscriptionId, agreement: await findAgreement(database.query, consumerId, dataset.name) }
}

/** Every body that a subscription from the beginning posts. */
async function makeBodies({ database }: Installation, agreement: Agreement): Promise<readonly string[]> {
  const bodies: string[] = []
  let place: ChangePlace = FIRST_PLACE
  for (;;) {
    const changes = await readChanges(database.query, agreement.datasetId, place, BATCH_RECORDS)
    const last = changes.at(-1)
    if (last === undefined) return bodies
    const shared = share(changes, agreement)
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

async function pushAll({ database, keys }: Installation, owner: pg.Client, target: Target): Promise<number> {
  await owner.query(`update gridbridge.subscription set cursor_tx = '0', cursor_seq = 0 where subscription_id = $1`, [
    target.subscriptionId,
  ])
  const startedAt = performance.now()
  const context = { database, keys, egress, auditDeadlineMs: 2000, sliceEndsAt: Number.POSITIVE_INFINITY }
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
    const bodies = await makeBodies(installation, target.agreement)
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
