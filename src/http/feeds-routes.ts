import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { diffJson } from '../feeds/json-diff.ts'
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
import {
  findVersion,
  listVersions,
  nameAccounts,
  summariseFeeds,
  type FeedContent,
  type FeedVersion,
} from '../store/feed-versions.ts'
import type { Feed } from '../store/feeds.ts'
import { admit, recogniseAccount } from './accounts.ts'
import {
  DiffView,
  DraftBody,
  FeedCode,
  FeedList,
  FeedView,
  VersionSummary,
  VersionView,
  Written,
} from './feed-schemas.ts'
import { admitToFeed, assertPlainBody, describeRoute, type ManagementContext } from './management.ts'

/** A manifest has at most some hundred mappings; the largest of the connectors is 12 KB. */
const BODY_BYTES = 262_144

const VersionNumber = Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'Number of a version' })

type Names = ReadonlyMap<number, string>

const nameOf = (names: Names, id: number | null): string | null => (id === null ? null : (names.get(id) ?? null))

function summarise(version: FeedVersion, names: Names) {
  const { version: number, state, origin, note, equalTo, reason, testReport, createdAt } = version
  return {
    version: number,
    state,
    origin,
    note,
    equalTo,
    reason,
    author: nameOf(names, version.authorId),
    submittedBy: nameOf(names, version.submittedBy),
    reviewedBy: nameOf(names, version.reviewedBy),
    approvedBy: nameOf(names, version.approvedBy),
    activatedBy: nameOf(names, version.activatedBy),
    test: testReport === null ? null : { ...testReport, rules: { ...testReport.rules } },
    createdAt: createdAt.toISOString(),
  }
}

const signers = (versions: readonly FeedVersion[]): readonly (number | null)[] =>
  versions.flatMap((one) => [one.authorId, one.submittedBy, one.reviewedBy, one.approvedBy, one.activatedBy])

const content = ({ manifest, legalBasis, catalogue }: FeedContent) => ({
  manifest: { ...manifest },
  legalBasis,
  catalogue,
})

async function viewFeed(context: ManagementContext, account: Account, feed: Feed) {
  const { query } = context.database
  const versions = await listVersions(query, feed.feedId)
  const [live, open] = [liveVersionOf(versions), openVersionOf(versions)]
  const names = await nameAccounts(query, signers(versions))
  const given = openSecrets(feed, context.keys)
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
  return {
    manifest: parseManifest(given.manifest, datasets),
    legalBasis: given.legalBasis ?? null,
    catalogue: given.catalogue ?? null,
    note: given.note ?? '',
    equalTo: null,
  }
}

/** Registering, reading and changing feeds; nothing here makes one run. */
export const feedsRoutes: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  const { query } = context.database
  server.addHook('preValidation', async (request) => assertPlainBody(request.body))

  server.get(
    '/api/v1/feeds',
    { schema: describeRoute('listFeeds', '数据接入列表 / Feeds of the own department, or of all', FeedList) },
    async (request) => {
      const account = await recogniseAccount(context, request.headers.authorization)
      await admit(context, request.headers.authorization, 'feed.read', account.department)
      return { feeds: [...(await summariseFeeds(query, account.department))] }
    },
  )

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
      await admit(context, request.headers.authorization, 'feed.edit', account.department)
      const draft = readDraft(context, request.body)
      await admit(context, request.headers.authorization, 'feed.edit', draft.manifest.feed.department)
      return { code: draft.manifest.feed.code, version: await registerFeed(context, account, draft) }
    },
  )

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

  server.get(
    '/api/v1/feeds/:code/versions',
    {
      schema: {
        ...describeRoute(
          'listFeedVersions',
          '版本列表 / Versions of a feed, the newest first',
          Type.Object(
            {
              versions: Type.Array(VersionSummary, { description: 'The newest first' }),
            },
            { title: 'FeedVersionList' },
          ),
        ),
        params: FeedCode,
      },
    },
    async (request) => {
      const { feed } = await admitToFeed(context, request.headers.authorization, 'feed.read', request.params.code)
      const versions = await listVersions(query, feed.feedId)
      const names = await nameAccounts(query, signers(versions))
      return { versions: versions.map((version) => summarise(version, names)) }
    },
  )

  server.get(
    '/api/v1/feeds/:code/versions/:version',
    {
      schema: {
        ...describeRoute(
          'showFeedVersion',
          '查看版本 / One version with its manifest, legal basis and catalogue entry',
          VersionView,
        ),
        params: Type.Object({ ...FeedCode.properties, version: VersionNumber }),
      },
    },
    async (request) => {
      const { code, version } = request.params
      const { feed } = await admitToFeed(context, request.headers.authorization, 'feed.read', code)
      const found = await findVersion(query, feed.feedId, version)
      return { ...summarise(found, await nameAccounts(query, signers([found]))), ...content(found) }
    },
  )

  server.get(
    '/api/v1/feeds/:code/diff',
    {
      schema: {
        ...describeRoute('diffFeedVersions', '版本差异 / What differs between two versions', DiffView),
        params: FeedCode,
        querystring: Type.Object({ from: VersionNumber, to: VersionNumber }),
      },
    },
    async (request) => {
      const { from, to } = request.query
      const { feed } = await admitToFeed(context, request.headers.authorization, 'feed.read', request.params.code)
      const [before, after] = [await findVersion(query, feed.feedId, from), await findVersion(query, feed.feedId, to)]
      return { from, to, differences: [...diffJson(content(before), content(after))] }
    },
  )

  server.post(
    '/api/v1/feeds/:code/rollback',
    {
      schema: {
        ...describeRoute(
          'rollBackFeed',
          '回退到旧版本 / Write a new draft version that is equal to an old one',
          Written,
        ),
        params: FeedCode,
        body: Type.Object(
          { version: VersionNumber, note: Type.Optional(Type.String({ maxLength: 500 })) },
          { additionalProperties: false },
        ),
      },
    },
    async (request) => {
      const { code } = request.params
      const { version, note = '' } = request.body
      const { account, feed } = await admitToFeed(context, request.headers.authorization, 'feed.edit', code)
      const old = await findVersion(query, feed.feedId, version)
      const draft = { ...old, manifest: parseManifest(old.manifest, context.datasets), note, equalTo: version }
      return { code, version: await writeDraft(context, account, code, draft) }
    },
  )
}
