import { hash } from 'node:crypto'
import { AppError } from '../errors.ts'
import type { Dataset } from '../feeds/datasets.ts'
import type { SharedRecord } from '../record.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { countUse, type FeedShare } from '../store/agreement-use.ts'
import { agreementName, type Agreement } from '../store/agreements.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { readChanges, readHorizon, type Change, type ChangePlace } from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import { encodeCursor } from './cursors.ts'
import { selectionOf, share } from './share.ts'

export interface PulledPage {
  readonly changes: readonly SharedRecord[]
  /** Opaque; give it back to go on from here. */
  readonly cursor: string
  readonly hasMore: boolean
}

/** What answers are made with. */
export interface SharingContext {
  readonly database: Database
  readonly datasets: ReadonlyMap<string, Dataset>
  readonly keys: KeyRing
  readonly auditDeadlineMs: number
}

export interface PullRequest {
  readonly agreement: Agreement
  readonly after: ChangePlace
  readonly limit: number
}

/** The dataset of an agreement. Throws AGREEMENT_MISSING where this version of the product no longer has it. */
export function datasetOfAgreement(
  { datasets }: Pick<SharingContext, 'datasets'>,
  { dataset: name }: Agreement,
): Dataset {
  const dataset = datasets.get(name)
  if (dataset === undefined) throw new AppError('AGREEMENT_MISSING', `there is no dataset ${name} any more`)
  return dataset
}

/** How much of each feed is in these changes. A tombstone tells of a record and of nobody. */
export function sharesOf(changes: readonly Change[]): readonly FeedShare[] {
  return [...Map.groupBy(changes, ({ feed }) => feed)].map(([feed, members]) => ({
    feed,
    records: members.length,
    persons: members.filter(({ subject }) => subject !== null).length,
  }))
}

/** Throws QUERY_ONLY for an agreement under which nothing may be copied. */
export function assertMayCopy({ method, dataset }: Agreement): void {
  if (method === 'query') throw new AppError('QUERY_ONLY', dataset)
}

/**
 * The changes after a place, as the agreement grants them. The audit entry is committed before this returns; when it cannot
 * be within the deadline, nothing is answered: AUDIT_UNAVAILABLE (503). Throws QUERY_ONLY, QUOTA_SPENT.
 */
export async function pullChanges(context: SharingContext, request: PullRequest): Promise<PulledPage> {
  const { database, keys } = context
  const { agreement, after, limit } = request
  assertMayCopy(agreement)
  const dataset = datasetOfAgreement(context, agreement)
  const selection = selectionOf(agreement, dataset)
  const horizon = await readHorizon(database.query)
  const changes = await readChanges(database.query, selection, after, limit + 1)
  const page = changes.slice(0, limit)
  const shared = share(page, agreement, { dataset, keys, today: new Date() })
  const last = page.at(-1) ?? (selection.area === null ? after : later(after, horizon))
  await auditShared(context, agreement, { type: 'changes.pulled', changes: page, shared })
  return { changes: shared, cursor: encodeCursor(agreement.version, last), hasMore: changes.length > limit }
}

/** Where nothing of the area changed, reading goes on at the horizon, so that what lies elsewhere is not looked at again. */
function later(place: ChangePlace, horizon: ChangePlace): ChangePlace {
  return BigInt(horizon.tx) > BigInt(place.tx) ? horizon : place
}

/** What is about to leave. */
export interface Outgoing {
  readonly type: 'changes.pulled' | 'snapshot.pulled'
  readonly changes: readonly Change[]
  readonly shared: readonly SharedRecord[]
}

/** Commits use and audit entry before anything leaves. Throws AUDIT_UNAVAILABLE, QUOTA_SPENT. */
export async function auditShared(
  { database, auditDeadlineMs }: SharingContext,
  agreement: Agreement,
  { type, changes, shared }: Outgoing,
): Promise<void> {
  await auditBeforeAnswer(database, agreement.dataset, auditDeadlineMs, async ({ query, audit }) => {
    await countUse(query, agreement, sharesOf(changes))
    await audit({
      type,
      actor: `consumer:${agreement.consumer}`,
      outcome: 'ok',
      dataset: agreement.dataset,
      agreement: agreementName(agreement),
      purpose: agreement.purpose,
      count: shared.length,
      outputDigest: hash('sha256', JSON.stringify(shared)),
    })
  })
}
