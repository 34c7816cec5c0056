import { AppError } from '../errors.ts'
import type { Dataset } from '../feeds/datasets.ts'
import { liveStates, openStates } from '../feeds/life.ts'
import { secretNames } from '../feeds/manifest-secrets.ts'
import type { Manifest } from '../feeds/manifest-types.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { seal } from '../security/seal.ts'
import { actorOf, type Account } from '../store/accounts.ts'
import type { Database, Query, Transaction } from '../store/database.ts'
import {
  insertVersion,
  listVersions,
  rewriteDraft,
  type FeedContent,
  type FeedVersion,
  type NewVersion,
} from '../store/feed-versions.ts'
import { insertDraftFeed, lockFeed, setFeedSecrets, type Feed } from '../store/feeds.ts'
import { openSecrets } from './feed-source.ts'

export interface RegistrationContext {
  readonly database: Database
  readonly datasets: ReadonlyMap<string, Dataset>
  readonly keys: KeyRing
}

/** What an editor hands in: the content, a word on why, and the version it repeats where it repeats one. */
export interface Draft extends FeedContent {
  readonly note: string
  readonly equalTo: number | null
}

/** The secrets of a feed as they rest. */
export const sealSecrets = (keys: KeyRing, code: string, secrets: object): Buffer =>
  seal(keys.sealing, `feed-secrets|${code}`, JSON.stringify(secrets))

async function auditDraft(
  { audit }: Transaction,
  account: Account,
  manifest: Manifest,
  version: number,
): Promise<void> {
  const { code, dataset } = manifest.feed
  await audit({
    type: 'feed.drafted',
    actor: actorOf(account),
    outcome: 'ok',
    feed: code,
    dataset,
    details: { version },
  })
}

/** Registers a feed with its first version as a draft. Throws FEED_EXISTS. */
export async function registerFeed(context: RegistrationContext, account: Account, draft: Draft): Promise<number> {
  const { manifest } = draft
  return context.database.transaction(async (transaction) => {
    const secrets = sealSecrets(context.keys, manifest.feed.code, {})
    const feedId = await insertDraftFeed(transaction.query, manifest, secrets)
    const version = await insertVersion(transaction.query, { ...draft, feedId, authorId: account.accountId })
    await auditDraft(transaction, account, manifest, version)
    return version
  })
}

/** A version that is being prepared, or null. */
export const openVersionOf = (versions: readonly FeedVersion[]): FeedVersion | null =>
  versions.find(({ state }) => openStates.includes(state)) ?? null

/** The version that runs use, or null. */
export const liveVersionOf = (versions: readonly FeedVersion[]): FeedVersion | null =>
  versions.find(({ state }) => liveStates.includes(state)) ?? null

/** A feed stays what it is: records are known by its code, its dataset and its department. */
function assertSameFeed(feed: Feed, { feed: given }: Manifest): void {
  for (const name of ['code', 'department', 'dataset'] as const) {
    if (given[name] !== feed[name]) {
      throw new AppError('MANIFEST_INVALID', `/feed/${name}: wanted ${feed[name]}, which a feed keeps for life`)
    }
  }
}

async function writeVersion(query: Query, open: FeedVersion | null, version: NewVersion): Promise<number> {
  if (open === null) return insertVersion(query, version)
  if (open.state !== 'draft') {
    throw new AppError(
      'FEED_STATE',
      `version ${open.version} is in ${open.state}; have it returned before it is changed`,
    )
  }
  await rewriteDraft(query, open.version, version)
  return open.version
}

/**
 * Writes the draft of a feed anew, or the next version as a draft where none is being prepared. What is live goes on as it is.
 * Throws FEED_UNKNOWN, FEED_STATE, MANIFEST_INVALID.
 */
export async function writeDraft(
  context: RegistrationContext,
  account: Account,
  code: string,
  draft: Draft,
): Promise<number> {
  return context.database.transaction(async (transaction) => {
    const feed = await lockFeed(transaction.query, code)
    assertSameFeed(feed, draft.manifest)
    if (feed.state === 'retired') throw new AppError('FEED_STATE', `${code} is retired for good; register another feed`)
    const open = openVersionOf(await listVersions(transaction.query, feed.feedId))
    const { feedId } = feed
    const version = await writeVersion(transaction.query, open, { ...draft, feedId, authorId: account.accountId })
    await auditDraft(transaction, account, draft.manifest, version)
    return version
  })
}

/** The secrets that the versions of a feed name. */
export const secretNamesOf = (versions: readonly FeedVersion[]): readonly string[] => [
  ...new Set(
    versions
      .filter(({ state }) => openStates.includes(state) || liveStates.includes(state))
      .flatMap(({ manifest }) => secretNames(manifest.source)),
  ),
]

/** Keeps a secret, sealed; nothing ever gives it back. Throws FEED_UNKNOWN, REQUEST_INVALID for a name that no version uses. */
export async function setSecret(
  { database, keys }: RegistrationContext,
  account: Account,
  code: string,
  secret: { readonly name: string; readonly value: string },
): Promise<void> {
  await database.transaction(async ({ query, audit }) => {
    const feed = await lockFeed(query, code)
    const names = secretNamesOf(await listVersions(query, feed.feedId))
    if (!names.includes(secret.name)) {
      throw new AppError('REQUEST_INVALID', `the manifest names no such secret; it names ${names.join(', ') || 'none'}`)
    }
    const secrets = { ...openSecrets(feed, keys), [secret.name]: secret.value }
    await setFeedSecrets(query, feed.feedId, sealSecrets(keys, code, secrets))
    const object = `secret/${secret.name}`
    await audit({ type: 'feed.secret-set', actor: actorOf(account), outcome: 'ok', feed: code, object })
  })
}
