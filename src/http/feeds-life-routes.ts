import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import { compareFields } from '../feeds/impact.ts'
import { openFeedSource } from '../ingest/feed-source.ts'
import { datasetOf, previewSource, testSource, type Preview } from '../ingest/preview.ts'
import { keepsCursor, moveFeed } from '../ingest/feed-life.ts'
import { liveVersionOf, openVersionOf, setSecret } from '../ingest/registration.ts'
import type { Source } from '../ingest/sources/source.ts'
import { actorOf, type Account } from '../store/accounts.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { listGrants } from '../store/agreements.ts'
import { listVersions, saveTestReport, type FeedVersion, type TestReport } from '../store/feed-versions.ts'
import type { Feed } from '../store/feeds.ts'
import { FeedCode, MoveBody, MovedView, PreviewView, TestReport as TestReportView } from './feed-schemas.ts'
import { ImpactView } from './impact-schemas.ts'
import { assertMayPreview } from './preview-limit.ts'
import {
  admitToFeed,
  asPlugin,
  assertImpersonal,
  describeRoute,
  type ManagementContext,
  type Route,
} from './management.ts'

/** Opens the source of a version, and closes it whatever happens. */
async function reading<Result>(
  context: ManagementContext,
  feed: Feed,
  version: FeedVersion,
  work: (source: Source) => Promise<Result>,
): Promise<Result> {
  const { manifest, origin } = version
  const source = await openFeedSource(context, { ...feed, manifest, origin })
  try {
    return await work(source)
  } finally {
    await source.close().catch(() => undefined)
  }
}

/** The version in preparation; where there is none, the live one. Throws FEED_STATE. */
async function currentVersion({ database }: ManagementContext, feed: Feed): Promise<FeedVersion> {
  const versions = await listVersions(database.query, feed.feedId)
  const version = openVersionOf(versions) ?? liveVersionOf(versions)
  if (version === null) throw new AppError('FEED_STATE', `${feed.code} has no version that is in use or in preparation`)
  return version
}

async function previewFeed(context: ManagementContext, account: Account, feed: Feed): Promise<Preview> {
  const version = await currentVersion(context, feed)
  const { manifest } = version
  const showsClear = account.department === feed.department
  const request = { manifest, dataset: datasetOf(manifest, context.datasets), keys: context.keys, showsClear }
  const { preview, subjects } = await reading(context, feed, version, (source) => previewSource(source, request))
  await auditBeforeAnswer(context.database, feed.code, context.auditDeadlineMs, ({ audit }) =>
    audit({
      type: 'feed.previewed',
      actor: actorOf(account),
      outcome: 'ok',
      feed: feed.code,
      dataset: feed.dataset,
      count: preview.rows.length,
      outputDigest: context.keys.token('audit', JSON.stringify(preview)),
      subjects,
      details: { clear: showsClear, version: version.version },
    }),
  )
  return preview
}

async function testFeed(context: ManagementContext, account: Account, feed: Feed): Promise<TestReport> {
  const version = openVersionOf(await listVersions(context.database.query, feed.feedId))
  if (version?.state !== 'testing')
    throw new AppError('FEED_STATE', 'a test batch needs a version in testing; have it reviewed and approved first')
  const { manifest } = version
  const dataset = datasetOf(manifest, context.datasets)
  const report = await reading(context, feed, version, (source) => testSource(source, manifest, dataset))
  await context.database.transaction(async ({ query, audit }) => {
    if (!(await saveTestReport(query, version, report)))
      throw new AppError('FEED_STATE', `version ${version.version} left testing meanwhile`)
    const { passed, pulled, rejected } = report
    const details = { version: version.version, passed, rejected }
    const fact = { type: 'feed.tested', actor: actorOf(account), outcome: 'ok', feed: feed.code } as const
    await audit({ ...fact, dataset: feed.dataset, count: pulled, details })
  })
  return report
}

async function viewImpact({ database }: ManagementContext, feed: Feed) {
  const versions = await listVersions(database.query, feed.feedId)
  const [live, open] = [liveVersionOf(versions), openVersionOf(versions)]
  if (open === null) throw new AppError('FEED_STATE', 'no version is in preparation, so nothing would change')
  const { dropped, added, changed } = compareFields(live?.manifest ?? null, open.manifest)
  const grants = await listGrants(database.query, feed.dataset)
  const consumers = grants.map(({ consumer, agreement, purpose, fields }) => {
    const granted = (names: readonly string[]): string[] => names.filter((name) => fields.includes(name))
    return { consumer, agreement, purpose, dropped: granted(dropped), added: granted(added), changed: granted(changed) }
  })
  return {
    dropped: [...dropped],
    added: [...added],
    changed: [...changed],
    readsFromBeginning: live === null || !keepsCursor(live.manifest, open.manifest),
    consumers: consumers.filter((one) => one.dropped.length + one.added.length + one.changed.length > 0),
  }
}

const SecretPath = Type.Object({
  ...FeedCode.properties,
  name: Type.String({ minLength: 1, maxLength: 100, description: 'Name that the manifest uses' }),
})

const SecretBody = Type.Object(
  { value: Type.String({ minLength: 1, maxLength: 20_000, description: 'The secret; nothing ever gives it back' }) },
  { additionalProperties: false, title: 'FeedSecret' },
)

const SecretSet = Type.Object(
  { name: Type.String({ description: 'Name of the secret' }), given: Type.Literal(true) },
  { title: 'FeedSecretSet' },
)

const setFeedSecretRoute: Route = (server, context) => {
  server.put(
    '/api/v1/feeds/:code/secrets/:name',
    {
      schema: {
        ...describeRoute(
          'setFeedSecret',
          '设置密钥（只写） / Set a secret; it can be replaced and never read',
          SecretSet,
        ),
        params: SecretPath,
        body: SecretBody,
      },
    },
    async (request) => {
      const { code, name } = request.params
      const { account } = await admitToFeed(context, request.headers.authorization, 'feed.secret', code)
      await setSecret(context, account, code, { name, value: request.body.value })
      return { name, given: true as const }
    },
  )
}

const previewFeedRoute: Route = (server, context) => {
  server.post(
    '/api/v1/feeds/:code/preview',
    {
      schema: {
        ...describeRoute(
          'previewFeed',
          '预览 20 行：原始、映射、去标识化 / Twenty rows side by side: raw, mapped, masked',
          PreviewView,
          'Reads the first page of the source and keeps nothing. Clear values are shown to accounts of the own department only. The audit entry is committed before the answer. An account may ask for so many in an hour (PREVIEWS_PER_HOUR); then 429 with Retry-After.',
        ),
        params: FeedCode,
      },
    },
    async (request, reply) => {
      const { code } = request.params
      const { account, feed } = await admitToFeed(context, request.headers.authorization, 'feed.preview', code)
      await assertMayPreview(context, account, code)
      void reply.header('cache-control', 'no-store')
      const { dataset, fields, rows, read } = await previewFeed(context, account, feed)
      const lines = rows.map((row) => ({ ...row, reasons: [...row.reasons], warnings: [...row.warnings] }))
      return { dataset, fields: [...fields], rows: lines, read }
    },
  )
}

const testFeedRoute: Route = (server, context) => {
  server.post(
    '/api/v1/feeds/:code/test',
    {
      schema: {
        ...describeRoute(
          'testFeed',
          '测试批次 / Judge the first page against the error budget; counts only',
          TestReportView,
        ),
        params: FeedCode,
      },
    },
    async (request) => {
      const { code } = request.params
      const { account, feed } = await admitToFeed(context, request.headers.authorization, 'feed.test', code)
      const report = await testFeed(context, account, feed)
      return { ...report, rules: { ...report.rules } }
    },
  )
}

const moveFeedRoute: Route = (server, context) => {
  server.post(
    '/api/v1/feeds/:code/moves',
    {
      schema: {
        ...describeRoute(
          'moveFeed',
          '提交、审核、启用、暂停、停用 / Submit, review, approve, activate, suspend, resume or retire',
          MovedView,
          'draft → department-review → security-review → testing → active ⇄ suspended → retired. Nobody signs a version twice. To retire is to decide about the data too: `disposition`.',
        ),
        params: FeedCode,
        body: MoveBody,
      },
    },
    async (request) => {
      const { code } = request.params
      const { action, reason = null, disposition = null } = request.body
      assertImpersonal('reason', reason)
      const { account } = await admitToFeed(context, request.headers.authorization, `feed.${action}`, code)
      return { code, ...(await moveFeed(context, account, { code, action, reason, disposition })) }
    },
  )
}

const showFeedImpactRoute: Route = (server, context) => {
  server.get(
    '/api/v1/feeds/:code/impact',
    {
      schema: {
        ...describeRoute(
          'showFeedImpact',
          '变更影响 / Which consumers use what the version in preparation changes',
          ImpactView,
        ),
        params: FeedCode,
      },
    },
    async (request) => {
      const { feed } = await admitToFeed(context, request.headers.authorization, 'feed.read', request.params.code)
      return viewImpact(context, feed)
    },
  )
}

/** What moves a feed along: secrets, preview, review, test batch, activation, suspension and its end. */
export const feedsLifeRoutes = asPlugin([
  setFeedSecretRoute,
  previewFeedRoute,
  testFeedRoute,
  moveFeedRoute,
  showFeedImpactRoute,
])
