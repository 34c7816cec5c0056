import { AppError } from '../errors.ts'
import { isSameJson } from '../feeds/json-diff.ts'
import { findGateFaults } from '../feeds/legal-basis.ts'
import {
  dispositions,
  feedStateOf,
  transitionOf,
  type Disposition,
  type FeedAction,
  type FeedState,
  type Need,
  type Transition,
} from '../feeds/life.ts'
import { secretNames } from '../feeds/manifest-secrets.ts'
import type { Manifest } from '../feeds/manifest-types.ts'
import { actorOf, type Account } from '../store/accounts.ts'
import type { Query } from '../store/database.ts'
import { chooseDisposition } from '../store/dispositions.ts'
import { listEndpoints } from '../store/endpoints.ts'
import { listVersions, moveVersion, stopRunsOfFeed, type FeedVersion, type Signatures } from '../store/feed-versions.ts'
import { lockFeed, setFeedSecrets, setFeedState, setLiveManifest, type Feed } from '../store/feeds.ts'
import { listValidItems } from '../store/service-items.ts'
import { requestRunOfBatches } from '../store/waiting-batches.ts'
import { openSecrets, unregisteredPlaces } from './feed-source.ts'
import { describeTestFaults } from './manifest-tests.ts'
import { datasetOf } from './preview.ts'
import { liveVersionOf, openVersionOf, sealSecrets, type RegistrationContext } from './registration.ts'

/** What a version lacks before it may be submitted or activated, one line each: a JSON pointer and what is wanted. */
export async function findMissing(
  { datasets, keys }: RegistrationContext,
  query: Query,
  feed: Feed,
  version: FeedVersion,
): Promise<readonly string[]> {
  const validItems = await listValidItems(query)
  const dataset = datasetOf(version.manifest, datasets)
  const given = openSecrets(feed, keys)
  const endpoints = await listEndpoints(query, feed.department)
  return [
    ...findGateFaults({ ...version, dataset, validItems }).map(({ pointer, wanted }) => `${pointer}: wanted ${wanted}`),
    ...unregisteredPlaces(version.manifest, endpoints).map(
      (place) => `/manifest/source: ${place} wanted as a registered endpoint of ${feed.department}`,
    ),
    ...describeTestFaults(version.manifest, dataset).map((line) => `/manifest${line}`),
    ...secretNames(version.manifest.source)
      .filter((name) => !Object.hasOwn(given, name))
      .map((name) => `/secrets/${name}: wanted`),
  ]
}

/** Whether the cursor of the live version means the same to another: the same source, window and record identity. */
export const keepsCursor = (live: Manifest, next: Manifest): boolean =>
  isSameJson(live.source, next.source) && isSameJson(live.record, next.record)

/** One move as it is about to be made. */
interface Move {
  readonly context: RegistrationContext
  readonly query: Query
  readonly account: Account
  readonly feed: Feed
  readonly version: FeedVersion
  readonly reason: string | null
  readonly disposition: Disposition | null
}

const needs: Readonly<Record<Need, (move: Move) => void | Promise<void>>> = {
  'second-person': ({ account, version }) => {
    const before = [version.authorId, version.submittedBy, version.reviewedBy, version.approvedBy]
    if (before.includes(account.accountId))
      throw new AppError('SECOND_PERSON', `${account.name} has had this version in hand already`)
  },
  gate: async ({ context, query, feed, version }) => {
    const missing = await findMissing(context, query, feed, version)
    if (missing.length > 0) throw new AppError('GATE_INCOMPLETE', missing.join('\n'))
  },
  test: ({ version }) => {
    if (version.testReport?.passed !== true)
      throw new AppError('GATE_INCOMPLETE', `/test: wanted a passed test batch of version ${version.version}`)
  },
  reason: ({ reason }) => {
    if (reason === null || reason.trim() === '') throw new AppError('REQUEST_INVALID', 'body/reason wanted')
  },
  disposition: ({ disposition }) => {
    if (disposition === null)
      throw new AppError('REQUEST_INVALID', `body/disposition wanted: ${dispositions.join(', ')}`)
  },
  'not-suspended': ({ feed }) => {
    if (feed.state === 'suspended') throw new AppError('FEED_STATE', 'the feed is suspended; resume it first')
  },
}

const UNSIGNED: Signatures = { submittedBy: null, reviewedBy: null, approvedBy: null, activatedBy: null }

function signaturesAfter({ action, signs, to }: Transition, version: FeedVersion, account: Account): Signatures {
  const before = action === 'submit' || to === 'draft' ? UNSIGNED : version
  const { submittedBy, reviewedBy, approvedBy, activatedBy } = before
  const kept = { submittedBy, reviewedBy, approvedBy, activatedBy }
  return signs === null ? kept : { ...kept, [signs]: account.accountId }
}

async function retireOther(query: Query, other: FeedVersion | null, moved: FeedVersion): Promise<void> {
  if (other === null || other.version === moved.version) return
  await moveVersion(query, other, 'retired', other, other.reason)
}

/** What a move does beside changing the state of its version. */
const effects: Partial<Readonly<Record<FeedAction, (move: Move, versions: readonly FeedVersion[]) => Promise<void>>>> =
  {
    activate: async ({ query, feed, version }, versions) => {
      const live = liveVersionOf(versions)
      await retireOther(query, live, version)
      await stopRunsOfFeed(query, feed.feedId)
      const keeps = live !== null && keepsCursor(live.manifest, version.manifest)
      await setLiveManifest(query, feed.feedId, version.manifest, keeps)
    },
    suspend: async ({ query, feed }) => void (await stopRunsOfFeed(query, feed.feedId)),
    retire: async ({ context, query, feed, version }, versions) => {
      await retireOther(query, openVersionOf(versions), version)
      await stopRunsOfFeed(query, feed.feedId)
      // Its source is never read again, so what opens it is of no use to anybody but a thief.
      await setFeedSecrets(query, feed.feedId, sealSecrets(context.keys, feed.code, {}))
    },
  }

/** The version that an action is about: the one in a state that it leads on from. Throws FEED_STATE. */
function findVersionFor({ action, from }: Transition, versions: readonly FeedVersion[]): FeedVersion {
  const version = versions.find(({ state }) => from.includes(state))
  if (version !== undefined) return version
  const states = versions.slice(0, 3).map(({ version: number, state }) => `version ${number} is ${state}`)
  throw new AppError('FEED_STATE', `${action} needs a version in ${from.join(' or ')}; ${states.join(', ')}`)
}

export interface Moved {
  readonly version: number
  readonly state: FeedState
}

/**
 * Moves a feed along its life, as the transition table allows: state, signatures, effects and audit entry in one transaction.
 * That the account may do this is asserted before. Throws FEED_UNKNOWN, FEED_STATE, SECOND_PERSON, GATE_INCOMPLETE, REQUEST_INVALID.
 */
export async function moveFeed(
  context: RegistrationContext,
  account: Account,
  request: {
    readonly code: string
    readonly action: FeedAction
    readonly reason: string | null
    readonly disposition: Disposition | null
  },
): Promise<Moved> {
  const { code, action, reason, disposition } = request
  const step = transitionOf(action)
  return context.database.transaction(async ({ query, audit }) => {
    const feed = await lockFeed(query, code)
    const versions = await listVersions(query, feed.feedId)
    const version = findVersionFor(step, versions)
    const move: Move = { context, query, account, feed, version, reason, disposition }
    for (const need of step.needs) await needs[need](move)
    await effects[action]?.(move, versions)
    await moveVersion(query, version, step.to, signaturesAfter(step, version, account), reason)
    const after = await listVersions(query, feed.feedId)
    const state = feedStateOf(after.map((one) => one.state))
    await setFeedState(query, feed.feedId, state)
    if (state === 'active') await requestRunOfBatches({ query, audit }, feed, actorOf(account))
    const chosen = step.needs.includes('disposition') ? disposition : null
    if (chosen !== null) await chooseDisposition(query, feed.feedId, chosen)
    await audit({
      type: 'feed.moved',
      actor: actorOf(account),
      outcome: 'ok',
      feed: code,
      dataset: feed.dataset,
      details: {
        action,
        version: version.version,
        from: version.state,
        to: step.to,
        ...(chosen === null ? {} : { disposition: chosen }),
      },
    })
    return { version: version.version, state: step.to }
  })
}
