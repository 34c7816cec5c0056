import { actionsFrom } from '../feeds/life.ts'
import { parseManifest } from '../feeds/manifest.ts'
import { findMissing, keepsCursor } from '../ingest/feed-life.ts'
import { openSecrets } from '../ingest/feed-source.ts'
import {
  liveVersionOf,
  openVersionOf,
  registerFeed,
  secretNamesOf,
  writeDraft,
  type Draft,
} from '../ingest/registration.ts'
import { isPermitted } from '../security/permissions.ts'
import type { Account } from '../store/accounts.ts'
import { findDisposition } from '../store/dispositions.ts'
import { listVersions, nameAccounts, summariseFeeds } from '../store/feed-versions.ts'
import type { Feed } from '../store/feeds.ts'
import { assertPermitted, recogniseAccount } from './accounts.ts'
import { DraftBody, FeedCode, FeedList, FeedView, Written } from './feed-schemas.ts'
import { signers, summarise } from './feed-views.ts'
import {
  admitToFeed,
  asPlugin,
  assertImpersonal,
  describeRoute,
  type ManagementContext,
  type Route,
} from './management.ts'

/** A manifest has at most some hundred mappings; the largest of the connectors is 12 KB. */
const BODY_BYTES = 262_144

async function viewFeed(context: ManagementContext, account: Account, feed: Feed) {
  const { query } = context.database
  const versions = await listVersions(query, feed.feedId)
  const [live, open] = [liveVersionOf(versions), openVersionOf(versions)]
  const names = await nameAccounts(query, signers(versions))
  const given = openSecrets(feed, context.keys)
  const disposition = await findDisposition(query, feed.feedId)
  return {
    code: feed.code,
    department: feed.department,
    dataset: feed.dataset,
    state: feed.state,
    live: live === null ? null : summarise(live, names),
    open: open === null ? null : summarise(open, names),
    missing: open === null ? [] : [...(await findMissing(context, query, feed, open))],
    secrets: secretNamesOf(versions).map((name) => ({ name, given: Object.hasOwn(given, name) })),
    readsFromBeginning: open === null ? null : live === null || !keepsCursor(live.manifest, open.manifest),
    disposition: disposition === null ? null : { ...disposition, doneAt: disposition.doneAt?.toISOString() ?? null },
    actions: actionsFrom(versions.map(({ state }) => state)).filter((action) =>
      isPermitted(account, `feed.${action}`, feed.department),
    ),
  }
}

interface GivenDraft {
  readonly manifest: unknown
  readonly legalBasis?: Draft['legalBasis']
  readonly catalogue?: Draft['catalogue']
  readonly note?: string
}

/** Throws MANIFEST_INVALID with one line for each fault. */
function readDraft({ datasets }: ManagementContext, given: GivenDraft): Draft {
  assertImpersonal('note', given.note ?? null)
  return {
    manifest: parseManifest(given.manifest, datasets),
    legalBasis: given.legalBasis ?? null,
    catalogue: given.catalogue ?? null,
    note: given.note ?? '',
    equalTo: null,
  }
}

const listFeedsRoute: Route = (server, context) => {
  const { query } = context.database
  server.get(
    '/api/v1/feeds',
    { schema: describeRoute('listFeeds', '数据接入列表 / Feeds of the own department, or of all', FeedList) },
    async (request) => {
      const account = await recogniseAccount(context, request.headers.authorization)
      await assertPermitted(context, account, 'feed.read', account.department)
      return { feeds: [...(await summariseFeeds(query, account.department))] }
    },
  )
}

const registerFeedRoute: Route = (server, context) => {
  server.post(
    '/api/v1/feeds',
    {
      bodyLimit: BODY_BYTES,
      schema: {
        ...describeRoute('registerFeed', '登记数据接入草稿 / Register a feed as a draft', Written),
        body: DraftBody,
      },
    },
    async (request) => {
      const account = await recogniseAccount(context, request.headers.authorization)
      await assertPermitted(context, account, 'feed.edit', account.department)
      const draft = readDraft(context, request.body)
      await assertPermitted(context, account, 'feed.edit', draft.manifest.feed.department)
      return { code: draft.manifest.feed.code, version: await registerFeed(context, account, draft) }
    },
  )
}

const showFeedRoute: Route = (server, context) => {
  server.get(
    '/api/v1/feeds/:code',
    {
      schema: {
        ...describeRoute('showFeed', '查看数据接入 / A feed, what it lacks and what may be done next', FeedView),
        params: FeedCode,
      },
    },
    async (request) => {
      const { account, feed } = await admitToFeed(
        context,
        request.headers.authorization,
        'feed.read',
        request.params.code,
      )
      return viewFeed(context, account, feed)
    },
  )
}

const writeFeedDraftRoute: Route = (server, context) => {
  server.put(
    '/api/v1/feeds/:code/draft',
    {
      bodyLimit: BODY_BYTES,
      schema: {
        ...describeRoute(
          'writeFeedDraft',
          '修改草稿或编写新版本 / Change the draft, or write the next version as one',
          Written,
        ),
        params: FeedCode,
        body: DraftBody,
      },
    },
    async (request) => {
      const { code } = request.params
      const { account } = await admitToFeed(context, request.headers.authorization, 'feed.edit', code)
      return { code, version: await writeDraft(context, account, code, readDraft(context, request.body)) }
    },
  )
}

/** Registering, reading and changing feeds; nothing here makes one run. */
export const feedsRoutes = asPlugin([listFeedsRoute, registerFeedRoute, showFeedRoute, writeFeedDraftRoute])
