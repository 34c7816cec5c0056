import { hash, randomUUID } from 'node:crypto'
import { fetch } from 'undici'
import { AppError, toAppError } from '../errors.ts'
import type { EgressGuard } from '../security/egress.ts'
import { coversPlace } from '../security/endpoints.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { signRequest } from '../security/request-signature.ts'
import { open, seal } from '../security/seal.ts'
import { addressOfUrl } from '../feeds/source-addresses.ts'
import { clearAlert, raiseAlert } from '../store/alerts.ts'
import type { ChangePlace } from '../store/changes.ts'
import type { Database, Query } from '../store/database.ts'
import { listEndpoints } from '../store/endpoints.ts'
import {
  claimTarget,
  openTargetDelivery,
  postponeTarget,
  settleTarget,
  type TargetLease,
} from '../store/verification-targets.ts'
import { readSubjects } from '../store/records.ts'
import { readVerifications, readVerificationsBetween, type Verification } from '../store/verifications.ts'
import { backoffMs } from './backoff.ts'

export interface VerificationPush {
  readonly database: Database
  readonly keys: KeyRing
  readonly egress: EgressGuard
  readonly auditDeadlineMs: number
}

/** What a department verifies our requests with: as it signs its own batches, docs/api-guide.md. */
export interface TargetSecret {
  readonly appKey: string
  readonly appSecret: string
}

const boundOf = (feed: string): string => `verification-target|${feed}`

/** The secret as it may rest. */
export const sealTargetSecret = (keys: KeyRing, feed: string, secret: TargetSecret): Buffer =>
  seal(keys.sealing, boundOf(feed), JSON.stringify(secret))

/**
 * The address if an endpoint of the department covers it. Throws EGRESS_FORBIDDEN for one that nobody registered, that is no http(s)
 * URL, or that carries user information.
 */
export async function assertTargetUrl(query: Query, department: string, text: string): Promise<void> {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
    throw new AppError('EGRESS_FORBIDDEN', 'wanted an absolute http or https URL without user information')
  const place = addressOfUrl(text)
  const endpoints = await listEndpoints(query, department)
  if (endpoints.some((endpoint) => coversPlace(endpoint, place))) return
  const detail = `${place.scheme} ${place.host}:${place.port} is no registered endpoint of ${department}; have the security administrator register it`
  throw new AppError('EGRESS_FORBIDDEN', detail)
}

/** A result as it is shown and sent. */
export const viewVerification = ({ tx: _tx, seq: _seq, evidenceAt, receivedAt, ...told }: Verification) => ({
  ...told,
  evidenceAt: evidenceAt.toISOString(),
  receivedAt: receivedAt.toISOString(),
})

const BATCH_RESULTS = 500
const CONNECT_MS = 3000
const REQUEST_MS = 15_000
/** After so many failures in a row a person should look. */
const ALARMING_FAILURES = 5

/** A range of a feed's results on its way out. The same range always has the same key and the same bytes. */
interface Batch {
  readonly to: ChangePlace
  readonly results: number
  readonly key: string
  /** How the audit log names the persons of it. */
  readonly subjects: Buffer
  readonly body: string
}

async function nextBatch(query: Query, keys: KeyRing, lease: TargetLease): Promise<Batch | null> {
  const { feedId, feed, dataset, cursor } = lease
  const results =
    lease.open === null
      ? await readVerifications(query, feedId, cursor, BATCH_RESULTS)
      : await readVerificationsBetween(query, feedId, cursor, lease.open)
  const last = results.at(-1)
  if (last === undefined) return null
  const to = { tx: last.tx, seq: last.seq }
  const key = hash('sha256', `${feed}|${cursor.tx}.${cursor.seq}|${to.tx}.${to.seq}`).slice(0, 40)
  const named = results.map(({ recordId }) => ({ feed, recordId }))
  const subjects = keys.personTokens(await readSubjects(query, named))
  const body = JSON.stringify({
    type: 'feed.verifications',
    feed,
    dataset,
    verifications: results.map(viewVerification),
  })
  return { to, results: results.length, key: `vrf_${key}`, subjects, body }
}

const factOf = ({ department, feed, dataset }: TargetLease, batch: Batch) =>
  ({ actor: `department:${department}`, feed, dataset, object: batch.key, count: batch.results }) as const

/** The range and its audit entry are committed before a byte leaves. Throws AUDIT_UNAVAILABLE after the deadline, LEASE_LOST, FROZEN. */
async function announce(
  { database, auditDeadlineMs }: VerificationPush,
  lease: TargetLease,
  batch: Batch,
): Promise<void> {
  const work = database.transaction(async ({ query, audit }) => {
    await openTargetDelivery(query, lease, batch.to)
    const outputDigest = hash('sha256', batch.body)
    const { subjects } = batch
    await audit({ ...factOf(lease, batch), type: 'verifications.sent', outcome: 'ok', outputDigest, subjects })
  }, auditDeadlineMs)
  await work.catch((error: unknown) => {
    const failure = toAppError(error)
    throw failure.code === 'LEASE_LOST' || failure.code === 'FROZEN'
      ? failure
      : new AppError('AUDIT_UNAVAILABLE', batch.key, { cause: failure })
  })
}

/** Signed as departments sign what they post: request-signature.ts, HMAC-SM3. */
function headersOf(url: URL, { appKey, appSecret }: TargetSecret, batch: Batch): Readonly<Record<string, string>> {
  const signed = signRequest({
    method: 'POST',
    path: url.pathname,
    query: url.searchParams,
    body: batch.body,
    appKey,
    secret: appSecret,
    timestamp: Date.now(),
    nonce: randomUUID(),
  })
  return { 'content-type': 'application/json', 'idempotency-key': batch.key, ...signed }
}

async function post({ database, keys, egress }: VerificationPush, lease: TargetLease, batch: Batch): Promise<void> {
  await assertTargetUrl(database.query, lease.department, lease.url)
  const endpoints = await listEndpoints(database.query, lease.department)
  const guard = egress.limitedTo(endpoints.filter(({ scheme }) => scheme !== 'file'))
  const url = guard.assertUrl(lease.url)
  const secret = JSON.parse(open(keys.sealKey, boundOf(lease.feed), lease.secret)) as TargetSecret
  const agent = guard.agent(CONNECT_MS)
  try {
    const response = await fetch(url, {
      method: 'POST',
      body: batch.body,
      headers: headersOf(url, secret, batch),
      redirect: 'manual',
      dispatcher: agent,
      signal: AbortSignal.timeout(REQUEST_MS),
    })
    await response.body?.cancel()
    if (response.status < 200 || response.status > 299)
      throw new AppError('CONSUMER_UNAVAILABLE', `status ${response.status}`)
  } catch (error) {
    throw error instanceof AppError ? error : new AppError('CONSUMER_UNAVAILABLE', 'no answer', { cause: error })
  } finally {
    await agent.destroy()
  }
}

async function settle({ database }: VerificationPush, lease: TargetLease, batch: Batch): Promise<void> {
  await database.transaction(async ({ query, audit }) => {
    await settleTarget(query, lease, batch.to)
    await clearAlert(query, lease.feedId, 'verification-undelivered')
    await audit({ ...factOf(lease, batch), type: 'verifications.acknowledged', outcome: 'ok' })
  })
}

/** What is frozen is nobody's failure: how soon it is looked at again. */
const FROZEN_REST_MS = 5000

async function postpone({ database }: VerificationPush, lease: TargetLease, { code }: AppError): Promise<void> {
  if (code === 'FROZEN') return postponeTarget(database.query, lease, code, FROZEN_REST_MS)
  const { feedId, feed, dataset, department } = lease
  const delayMs = backoffMs(lease.failures)
  await database.transaction(async (transaction) => {
    await postponeTarget(transaction.query, lease, code, delayMs)
    const details = { reason: code, delayMs: Math.round(delayMs) }
    const fact = { actor: `department:${department}`, outcome: 'failed', feed, dataset } as const
    await transaction.audit({ ...fact, type: 'verifications.failed', details })
    const failures = lease.failures + 1
    if (failures < ALARMING_FAILURES) return
    const alert = { feed: { feedId, code: feed, dataset }, runId: null, details: { reason: code, failures } }
    await raiseAlert(transaction, { ...alert, kind: 'verification-undelivered' })
  })
}

/**
 * Sends the next results to a department that wants them sent, at least once: what is not acknowledged is sent again, with the same
 * key and the same bytes. One that fails is put off and holds up no other. `idle`: nothing is due.
 */
export async function pushVerifications(context: VerificationPush): Promise<'sent' | 'postponed' | 'idle'> {
  const lease = await claimTarget(context.database.query)
  if (lease === null) return 'idle'
  try {
    const batch = await nextBatch(context.database.query, context.keys, lease)
    if (batch === null) throw new AppError('LEASE_LOST', `results of ${lease.feed}`)
    await announce(context, lease, batch)
    await post(context, lease, batch)
    await settle(context, lease, batch)
    return 'sent'
  } catch (error) {
    await postpone(context, lease, toAppError(error))
    return 'postponed'
  }
}
