import { Type } from 'typebox'
import { diffJson } from '../feeds/json-diff.ts'
import { parseManifest } from '../feeds/manifest.ts'
import { writeDraft } from '../ingest/registration.ts'
import { findVersion, listVersions, nameAccounts } from '../store/feed-versions.ts'
import { DiffView, FeedCode, VersionSummary, VersionView, Written } from './feed-schemas.ts'
import { content, signers, summarise } from './feed-views.ts'
import { admitToFeed, asPlugin, assertImpersonal, describeRoute, type Route } from './management.ts'

const VersionNumber = Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'Number of a version' })

const listFeedVersionsRoute: Route = (server, context) => {
  const { query } = context.database
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
}

const showFeedVersionRoute: Route = (server, context) => {
  const { query } = context.database
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
}

const diffFeedVersionsRoute: Route = (server, context) => {
  const { query } = context.database
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
}

const rollBackFeedRoute: Route = (server, context) => {
  const { query } = context.database
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
      assertImpersonal('note', note)
      const { account, feed } = await admitToFeed(context, request.headers.authorization, 'feed.edit', code)
      const old = await findVersion(query, feed.feedId, version)
      const draft = { ...old, manifest: parseManifest(old.manifest, context.datasets), note, equalTo: version }
      return { code, version: await writeDraft(context, account, code, draft) }
    },
  )
}

/** Versions of a feed: listed, shown, compared and taken up again. */
export const feedVersionsRoutes = asPlugin([
  listFeedVersionsRoute,
  showFeedVersionRoute,
  diffFeedVersionsRoute,
  rollBackFeedRoute,
])
