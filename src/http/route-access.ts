import { exportDuties, type Action } from '../security/permissions.ts'
import { applicationActions } from '../feeds/application-life.ts'
import { feedActions } from '../feeds/life.ts'

/**
 * Who reaches a route: `open` is for those who are not in yet and for what holds nothing; `consumers` is for systems alone, which their
 * agreement judges; `departments` for signed posts of a department. An account reaches it by any of its actions, `any` being
 * enough; with `both`, consumers reach it too.
 */
export type RouteAccess =
  | 'open'
  | 'consumers'
  | 'departments'
  | { readonly actions: readonly Action[] | 'any'; readonly both: boolean }

const by = (...actions: readonly Action[]): RouteAccess => ({ actions, both: false })
const byBoth = (...actions: readonly Action[]): RouteAccess => ({ actions, both: true })
const everyAccount: RouteAccess = { actions: 'any', both: false }

/** Every route with who reaches it. A route that is neither here nor says so itself (`config.access`) does not start. */
export const routeAccess: Readonly<Record<string, RouteAccess>> = {
  'POST /oauth/token': 'open',
  'POST /api/v1/session': 'open',
  'GET /api/v1/session/oidc': 'open',
  'GET /api/v1/session/oidc/callback': 'open',
  'POST /api/v1/enrolment': 'open',
  'POST /api/v1/password': 'open',
  'GET /healthz': 'open',
  'GET /readyz': 'open',
  'GET /metrics': 'open',
  'GET /openapi.json': 'open',

  'GET /api/v1/datasets/:dataset/changes': 'consumers',
  'GET /api/v1/datasets/:dataset/snapshot': 'consumers',
  'GET /api/v1/datasets/:dataset/records/:feed/:recordId': 'consumers',
  'GET /api/v1/datasets/:dataset/reconciliation': 'consumers',
  'POST /api/v1/datasets/:dataset/queries': 'consumers',
  'POST /api/v1/datasets/:dataset/exports': 'consumers',
  'GET /api/v1/exports': 'consumers',
  'GET /api/v1/exports/:exportId': 'consumers',
  'DELETE /api/v1/exports/:exportId': 'consumers',
  'GET /api/v1/exports/:exportId/manifest': 'consumers',
  'GET /api/v1/exports/:exportId/parts/:number': 'consumers',
  'POST /api/v1/corrections': 'consumers',
  'GET /api/v1/corrections': 'consumers',
  'POST /api/v1/corrections/:correctionId/closure': 'consumers',
  'GET /api/v1/recalls': 'consumers',
  'POST /api/v1/recalls/:recallId/acknowledgement': 'consumers',
  'POST /api/v1/verifications': 'consumers',
  'GET /api/v1/notices': 'consumers',

  'POST /api/v1/feeds/:code/batches': 'departments',
  'GET /api/v1/feeds/:code/batches/:batchNo': 'departments',

  'GET /api/v1/session': everyAccount,
  'DELETE /api/v1/session': everyAccount,
  'GET /api/v1/account': everyAccount,

  'GET /api/v1/accounts': by('account.read'),
  'POST /api/v1/accounts': by('account.request'),
  'DELETE /api/v1/accounts/:name': by('account.end'),
  'POST /api/v1/accounts/:name/role': by('account.request'),
  'POST /api/v1/accounts/:name/enrolment': by('account.request'),
  'GET /api/v1/account-requests': by('account.read'),
  'POST /api/v1/account-requests/:requestId/decision': by('account.decide'),

  'GET /api/v1/feeds': by('feed.read'),
  'POST /api/v1/feeds': by('feed.edit'),
  'GET /api/v1/feeds/:code': by('feed.read'),
  'PUT /api/v1/feeds/:code/draft': by('feed.edit'),
  'GET /api/v1/feeds/:code/diff': by('feed.read'),
  'GET /api/v1/feeds/:code/versions': by('feed.read'),
  'GET /api/v1/feeds/:code/versions/:version': by('feed.read'),
  'POST /api/v1/feeds/:code/rollback': by('feed.edit'),
  'PUT /api/v1/feeds/:code/secrets/:name': by('feed.secret'),
  'POST /api/v1/feeds/:code/preview': by('feed.preview'),
  'POST /api/v1/feeds/:code/test': by('feed.test'),
  'POST /api/v1/feeds/:code/moves': by(...feedActions.map((action) => `feed.${action}` as const)),
  'GET /api/v1/feeds/:code/impact': by('feed.read'),
  'GET /api/v1/feeds/:code/health': by('quality.read'),
  'GET /api/v1/feeds/:code/verification-target': by('feed.read'),
  'PUT /api/v1/feeds/:code/verification-target': by('verification.route'),
  'DELETE /api/v1/feeds/:code/verification-target': by('verification.route'),
  'GET /api/v1/feeds/:code/verifications': by('verification.read'),
  'GET /api/v1/feeds/:code/corrections': by('correction.read'),
  'POST /api/v1/feeds/:code/corrections/:correctionId/answers': by('correction.answer'),
  'GET /api/v1/feeds/:code/recalls': by('recall.read'),
  'POST /api/v1/feeds/:code/recalls': by('recall.ask'),
  'GET /api/v1/feeds/:code/recalls/:recallId': by('recall.read'),
  'POST /api/v1/feeds/:code/recalls/:recallId/moves': by('recall.approve', 'recall.refuse', 'recall.lift'),
  'GET /api/v1/feeds/:code/rejections': by('quality.read'),
  'GET /api/v1/feeds/:code/rejections/rows': by('rejection.read'),
  'GET /api/v1/feeds/:code/rejections/export': by('rejection.fix'),
  'POST /api/v1/feeds/:code/rejections/resubmissions': by('rejection.fix'),
  'POST /api/v1/feeds/:code/rejections/resubmissions/file': by('rejection.fix'),

  'POST /api/v1/feeds/:code/runs': by('run.request'),
  'GET /api/v1/runs': by('run.read'),
  'GET /api/v1/runs/:runId': by('run.read'),
  'GET /api/v1/runs/:runId/progress': by('run.read'),
  'GET /api/v1/runs/:runId/certificate': by('run.read'),
  'GET /api/v1/runs/:runId/drift': by('run.read'),
  'POST /api/v1/runs/:runId/pause': by('run.control'),
  'POST /api/v1/runs/:runId/resume': by('run.control'),
  'POST /api/v1/runs/:runId/cancel': by('run.control'),
  'GET /api/v1/alerts': by('quality.read'),
  'POST /api/v1/alerts/:alertId/acknowledge': by('alert.acknowledge'),
  'GET /api/v1/persons/conflicts': by('person-conflict.read'),
  'POST /api/v1/persons/links': by('person-link.decide'),

  'GET /api/v1/datasets': byBoth('catalogue.read'),
  'GET /api/v1/datasets/:dataset': byBoth('catalogue.read'),
  'POST /api/v1/datasets/:dataset/impact': by('schema.read'),
  'GET /api/v1/catalogue': by('catalogue.read'),
  'GET /api/v1/coverage': by('coverage.read'),
  'PUT /api/v1/coverage/:department/:dataset/refusal': by('coverage.refuse'),
  'DELETE /api/v1/coverage/:department/:dataset/refusal': by('coverage.refuse'),
  'GET /api/v1/endpoints': by('endpoint.read'),
  'POST /api/v1/endpoints': by('endpoint.approve'),
  'DELETE /api/v1/endpoints/:endpointId': by('endpoint.approve'),
  'GET /api/v1/service-items': by('service-item.read'),
  'PUT /api/v1/service-items/:code': by('service-item.publish'),
  'POST /api/v1/service-items/:code/withdraw': by('service-item.publish'),

  'GET /api/v1/applications': by('application.read'),
  'POST /api/v1/applications': by('application.write'),
  'GET /api/v1/applications/:applicationId': by('application.read'),
  'PUT /api/v1/applications/:applicationId': by('application.write'),
  'POST /api/v1/applications/:applicationId/moves': by(
    ...applicationActions.map((action) => `application.${action}` as const),
  ),
  'GET /api/v1/consumers': by('consumer.read'),
  'POST /api/v1/consumers': by('consumer.register'),
  'GET /api/v1/consumers/:name/credentials': by('credential.read'),
  'POST /api/v1/consumers/:name/credentials': by('credential.change'),
  'DELETE /api/v1/consumers/:name/credentials/:fingerprint': by('credential.change'),
  'POST /api/v1/consumers/:name/stop': by('consumer.stop'),
  'POST /api/v1/consumers/:name/start': by('consumer.start'),
  'GET /api/v1/export-approvals': by('export.read'),
  'POST /api/v1/exports/:exportId/approvals': by(...Object.values(exportDuties)),

  'GET /api/v1/subscriptions': byBoth('subscription.read'),
  'POST /api/v1/subscriptions': byBoth('subscription.manage'),
  'GET /api/v1/subscriptions/:subscriptionId': byBoth('subscription.read'),
  'POST /api/v1/subscriptions/:subscriptionId/pause': byBoth('subscription.pause'),
  'POST /api/v1/subscriptions/:subscriptionId/resume': byBoth('subscription.manage'),
  'POST /api/v1/subscriptions/:subscriptionId/stop': byBoth('subscription.pause'),
  'POST /api/v1/subscriptions/:subscriptionId/secrets': byBoth('subscription.manage'),
  'GET /api/v1/subscriptions/:subscriptionId/replays': byBoth('subscription.read'),
  'POST /api/v1/subscriptions/:subscriptionId/replays': byBoth('subscription.manage'),
  'POST /api/v1/subscriptions/:subscriptionId/replays/preview': byBoth('subscription.manage'),
  'GET /api/v1/subscriptions/:subscriptionId/replays/:replayId': byBoth('subscription.read'),
  'POST /api/v1/subscriptions/:subscriptionId/replays/:replayId/cancel': byBoth('subscription.manage'),
  'GET /api/v1/subscriptions/:subscriptionId/dead-letters': byBoth('subscription.read'),
  'GET /api/v1/subscriptions/:subscriptionId/dead-letters/:deliveryId': byBoth('subscription.read'),
  'POST /api/v1/subscriptions/:subscriptionId/dead-letters/:deliveryId/requeue': byBoth('subscription.manage'),
  'GET /api/v1/usage': byBoth('usage.read'),
  'GET /api/v1/usage/ledger': byBoth('usage.read'),
  'GET /api/v1/usage/sharing-list': byBoth('usage.read'),
}
