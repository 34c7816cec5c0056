import { setTimeout as wait } from 'node:timers/promises'
import type { Manifest } from '../../src/feeds/manifest-types.ts'
import { compileMapping } from '../../src/ingest/map.ts'
import { digestRecord, protect, protectRejections, rowToken } from '../../src/ingest/protect.ts'
import { validate } from '../../src/ingest/validate.ts'
import type { SharedRecord } from '../../src/record.ts'
import { seal } from '../../src/security/seal.ts'
import type { Answer } from '../../src/sharing/pull.ts'
import { createWebhookKey } from '../../src/security/webhook-signature.ts'
import { subscribe } from '../../src/sharing/subscribe.ts'
import type { Selection } from '../../src/store/changes.ts'
import { saveAgreement, type NewAgreement } from '../../src/store/agreements.ts'
import { insertConsumer } from '../../src/store/consumers.ts'
import { insertCredential } from '../../src/store/credentials.ts'
import { findFeed, insertFeed, type Feed } from '../../src/store/feeds.ts'
import { claimRun, endRun, requestRun, type RunLease } from '../../src/store/runs.ts'
import { savePage, type PageToSave } from '../../src/store/save-page.ts'
import type { Role } from '../../src/security/permissions.ts'
import { publishServiceItem } from '../../src/store/service-items.ts'
import { createManifest, createResidentRow } from '../feeds/sample-manifest.ts'
import type { TestInstallation } from './installation.ts'
import { grantAccount, type RegisteredAccount } from './sign-in.ts'

type Row = Readonly<Record<string, unknown>>

/** Registers a feed of residents of its own; `change` replaces members of its manifest. */
export async function registerFeed(
  { database, keys }: TestInstallation,
  code: string,
  change: Partial<Manifest> = {},
): Promise<Feed> {
  const manifest = createManifest(change)
  const named = { ...manifest, feed: { ...manifest.feed, code } }
  const secrets = seal(keys.sealing, `feed-secrets|${code}`, JSON.stringify({ residentToken: 'made-up-token' }))
  await insertFeed(database.query, named, secrets)
  return findFeed(database.query, code)
}

/** Source rows of residents who do not exist, `R-<first>` to `R-<last>`. */
export function residentRows(first: number, last: number, change: Row = {}): readonly Row[] {
  return Array.from({ length: last - first + 1 }, (_, index) =>
    createResidentRow({ id: `R-${first + index}`, ...change }),
  )
}

/** What the pipeline makes of source rows, ready to be saved. */
export function makePage(
  { datasets, keys }: TestInstallation,
  feed: Feed,
  rows: readonly unknown[],
  cursor: Row = { page: 1 },
): PageToSave {
  const dataset = datasets.get(feed.dataset)
  if (dataset === undefined) throw new Error('wanted a dataset')
  const protection = { dataset, feed: feed.code, keys, today: new Date() }
  const mapRow = compileMapping(feed.manifest, dataset)
  const { valid, rejected, warnings } = validate(
    rows.map((value, row) => mapRow({ row, value })),
    dataset,
  )
  return {
    records: protect(
      valid.map((record) => digestRecord(record, protection)),
      protection,
    ),
    rejections: protectRejections(rejected, protection),
    seen: valid.map((record) => record.recordId),
    supersedes: [],
    tokenOf: (recordId) => rowToken(recordId, protection),
    cursor,
    pulled: rows.length,
    valid: valid.length,
    warnings,
    sourceTotal: null,
    chunk: null,
    isLast: false,
    drift: {},
    shape: null,
  }
}

/** A run of the feed that this test holds. */
export async function beginRun({ database }: TestInstallation, feed: Feed): Promise<RunLease> {
  const { runId } = await requestRun(database.query, feed.feedId)
  const lease = await claimRun(database.query, runId)
  if (lease === null) throw new Error('the run is held already')
  return lease
}

/**
 * Waits until every change that was committed can be read. The feed stops below the oldest transaction of the whole server,
 * and the test files share one server.
 */
export async function settleChanges({ asOwner }: TestInstallation): Promise<void> {
  const unsettled = 'select from gridbridge.record where change_tx >= pg_snapshot_xmin(pg_current_snapshot()) limit 1'
  while ((await asOwner(unsettled)).length > 0) await wait(20)
}

/** Saves source rows as one page of a run of its own that is over afterwards. */
export async function storeRows(installation: TestInstallation, feed: Feed, rows: readonly unknown[]): Promise<void> {
  const lease = await beginRun(installation, feed)
  await savePage(installation.database, feed, lease, makePage(installation, feed, rows))
  await endRun(installation.database.query, lease, 'done', null)
  await settleChanges(installation)
}

/** The changes of an answer, as its reader sees them. */
export const changesIn = ({ answer: { body } }: { readonly answer: Answer }): readonly SharedRecord[] =>
  (JSON.parse(String(body)) as { readonly changes: readonly SharedRecord[] }).changes

export interface ConsumerOptions extends Partial<NewAgreement> {
  readonly webhookUrl?: string
}

export interface RegisteredConsumer {
  readonly name: string
  readonly consumerId: number
  readonly clientSecret: string
  readonly webhookSecret: string
  /** Null where the consumer takes no pushes. */
  readonly subscriptionId: number | null
}

/** The item of the service list that agreements of tests cite. */
export const TEST_ITEM = {
  code: 'LZ-QD-001',
  name: '实有人口信息采集核实',
  county: '510502',
  approvalNo: '测试批准',
  validFrom: '2024-10-01',
  validTo: null,
} as const

export const publishTestItem = ({ query }: TestInstallation['database']): Promise<void> =>
  publishServiceItem(query, TEST_ITEM, null)

/** Terms of an agreement on residents of the whole city, for a day. */
export const createTerms = (consumerId: number): NewAgreement => ({
  consumerId,
  dataset: 'resident',
  forms: { name: 'mask', gridCode: 'mask' },
  area: ['5105'],
  purpose: TEST_ITEM.code,
  method: 'copy',
  recordsPerDay: null,
  pageSize: 1000,
  validTo: new Date(Date.now() + 86_400_000),
  grantedBy: 'operator:test',
})

/** Everything of a dataset, as an agreement on the whole of it would read it. */
export const everythingOf = (datasetId: number): Selection => ({
  datasetId,
  unwanted: [],
  wantsSealed: false,
  area: null,
})

type Registrar = Pick<TestInstallation, 'database' | 'keys'>

/** Lets a consumer prove itself by this secret. */
export async function giveSecret({ database, keys }: Registrar, consumerId: number, secret: string): Promise<void> {
  const secretHash = keys.token('credential', secret)
  const credential = { kind: 'secret', fingerprint: secretHash.slice(0, 16), secretHash } as const
  await insertCredential(database.query, consumerId, credential, 'system:test')
}

/** A subscription of the consumer from the first change on. Returns its number. */
export const subscribeConsumer = (
  { database, keys }: Registrar,
  { name, consumerId }: Pick<RegisteredConsumer, 'name' | 'consumerId'>,
  dataset: string,
  endpoint: string,
  key = createWebhookKey('hmac-sha256'),
): Promise<number> => {
  const to = { consumerId, consumer: name, dataset, endpoint, demandsReceipt: false, after: null }
  return database.transaction((transaction) =>
    subscribe(transaction, keys, { ...to, secrets: [key], actor: 'operator:test' }),
  )
}

/** Registers a consumer with one agreement, and a subscription where it has a webhook. */
export async function registerConsumer(
  { database, keys }: TestInstallation,
  name: string,
  { webhookUrl, ...terms }: ConsumerOptions = {},
): Promise<RegisteredConsumer> {
  const key = createWebhookKey('hmac-sha256')
  const clientSecret = `secret-of-${name}`
  const consumerId = await insertConsumer(database.query, {
    name,
  })
  await giveSecret({ database, keys }, consumerId, clientSecret)
  await publishTestItem(database)
  const agreement = { ...createTerms(consumerId), ...terms }
  await saveAgreement(database.query, agreement)
  const to = { name, consumerId }
  const subscriptionId =
    webhookUrl === undefined
      ? null
      : await subscribeConsumer({ database, keys }, to, agreement.dataset, webhookUrl, key)
  return { name, consumerId, clientSecret, webhookSecret: key.secret, subscriptionId }
}

/** Registers an account; `department` for the roles of a department, `consumer` for the engineers of a consumer. */
export const registerAccount = (
  { database, keys }: TestInstallation,
  name: string,
  role: Role,
  department: string | null = null,
  consumer: string | null = null,
): Promise<RegisteredAccount> => grantAccount({ database, keys }, { name, role, department, consumer })

export type { RegisteredAccount }
