import { createEgressGuard } from '../../src/security/egress.ts'
import { pushChanges } from '../../src/sharing/push.ts'
import type { Feed } from '../../src/store/feeds.ts'
import type { TestInstallation } from '../support/installation.ts'
import { registerConsumer, registerFeed, residentRows, type RegisteredConsumer } from '../support/ledger.ts'
import { startReceiver, type Received, type Receiver } from '../support/receiver.ts'

export interface PushOptions {
  readonly to?: RegisteredConsumer
  readonly allow?: readonly string[]
  readonly sliceEndsAt?: number
}

interface StoredDelivery {
  readonly id: string
  readonly records: number
  readonly attempts: number
  readonly state: string
  readonly reason: string | null
}

interface StoredFact {
  readonly object: string
  readonly count: number
  readonly digest: string | null
  readonly reason: string | null
}

/** One feed, one consumer with a webhook, and an empty change feed. */
export interface PushStage {
  readonly installation: TestInstallation
  readonly feed: Feed
  readonly consumer: RegisteredConsumer
  readonly receiver: Receiver
  readonly push: (options?: PushOptions) => ReturnType<typeof pushChanges>
  /** As if the time of the next attempt had come. */
  readonly comeDue: () => Promise<unknown>
  readonly readDeliveries: () => Promise<readonly StoredDelivery[]>
  readonly readAudit: (type: string) => Promise<readonly StoredFact[]>
}

let stages = 0

export async function setStage(installation: TestInstallation): Promise<PushStage> {
  const { database, datasets, keys, asOwner } = installation
  stages += 1
  await asOwner('truncate gridbridge.record')
  const receiver = await startReceiver()
  const feed = await registerFeed(installation, `LZ-GA-RK-${String(stages).padStart(3, '0')}`)
  const consumer = await registerConsumer(installation, `platform-${stages}`, { webhookUrl: receiver.url })
  return {
    installation,
    feed,
    consumer,
    receiver,
    push: ({ to = consumer, allow = ['loopback'], sliceEndsAt = Date.now() + 20_000 } = {}) => {
      const context = { database, keys, datasets, egress: createEgressGuard(allow), auditDeadlineMs: 400, sliceEndsAt }
      return pushChanges(context, to.subscriptionId ?? -1)
    },
    comeDue: () =>
      asOwner('update gridbridge.subscription set not_before = null where subscription_id = $1', [
        consumer.subscriptionId,
      ]),
    readDeliveries: () =>
      asOwner(
        `select webhook_id as id, records, attempts, state, reason from gridbridge.delivery
          where subscription_id = $1 order by delivery_id`,
        [consumer.subscriptionId],
      ),
    readAudit: (type) =>
      asOwner(
        `select body->>'object' as object, (body->>'count')::int as count, body->>'outputDigest' as digest, body->'details'->>'reason' as reason
           from (select convert_from(body, 'UTF8')::jsonb as body from audit.entry
                  where event_type = $1 and actor = $2 order by lane_seq) as entry`,
        [type, `consumer:${consumer.name}`],
      ),
  }
}

interface Body {
  readonly type: string
  readonly dataset: string
  readonly changes: readonly {
    readonly id: string
    readonly operation: string
    readonly version: number
    readonly record: unknown
  }[]
}

export const bodyOf = (received: Received | undefined): Body => JSON.parse(received?.body ?? '{"changes":[]}') as Body

export const idOf = (received: Received | undefined): unknown => received?.headers['webhook-id']

/** The source record ids of everything that was received, in order. */
export const recordsOf = (all: readonly Received[]): readonly string[] =>
  all.flatMap((received) => bodyOf(received).changes.map(({ id }) => id.split('/')[1] ?? ''))

export const names = (first: number, last: number): readonly unknown[] => residentRows(first, last).map(({ id }) => id)
