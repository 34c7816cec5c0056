import type { FileSourceManifest } from '../src/feeds/manifest-file.ts'
import type { Manifest, SourceManifest, SqlSourceManifest } from '../src/feeds/manifest-types.ts'
import { openSource } from '../src/ingest/sources/open.ts'
import type { EgressGuard } from '../src/security/egress.ts'
import { createWebhookKey } from '../src/security/webhook-signature.ts'
import type { Batch } from '../src/sharing/push-batch.ts'
import { post } from '../src/sharing/push-post.ts'
import { createManifest } from '../test/feeds/sample-manifest.ts'

/** A host as a URL writes it (brackets around IPv6), and a port. */
export interface Place {
  readonly host: string
  readonly port: number
}

/** One way in which somebody's address becomes a connection of ours. Rejects, or returns, however it ends. */
export type AddressDoor = (place: Place, guard: EgressGuard) => Promise<unknown>

const secrets = { residentToken: 'made-up', word: 'made-up', id: 'made-up', key: 'made-up', service: 'made-up' }
const plain = ({ host }: Place): string => host.replace(/^\[|\]$/g, '')

async function readFirstPage(source: SourceManifest, guard: EgressGuard): Promise<void> {
  const manifest: Manifest = createManifest({ source })
  const opened = await openSource(manifest, secrets, guard)
  try {
    await opened.readPage(null, new Date())
  } finally {
    await opened.close()
  }
}

const httpSource = (baseUrl: string, change: object = {}): SourceManifest => ({
  kind: 'http',
  baseUrl,
  auth: { kind: 'none' },
  request: { method: 'GET', path: '/rows', query: { token: '{page.token}' } },
  records: '/rows',
  paging: { kind: 'token', size: 10, next: '/next' },
  timeouts: { connectMs: 300, totalMs: 600 },
  ...change,
})

const sqlSource = (driver: SqlSourceManifest['driver'], place: Place): SourceManifest => ({
  kind: 'sql',
  driver,
  host: plain(place),
  port: place.port,
  database: 'x',
  user: 'reader',
  password: 'word',
  tls: { kind: 'off' },
  schema: 'x',
  table: 'x',
  columns: ['id'],
  reading: { kind: 'whole', id: 'id' },
  pageSize: 10,
  timeoutMs: 500,
})

const fileSource = (transport: object): SourceManifest =>
  ({
    kind: 'file',
    directory: '/out',
    pattern: '*.csv',
    marker: { suffix: '.ok' },
    format: { kind: 'csv', encoding: 'utf-8', delimiter: ',' },
    pageSize: 10,
    transport: { user: 'reader', timeoutMs: 500, ...transport },
  }) as FileSourceManifest

const hostKeys = [`SHA256:${'A'.repeat(43)}`]
/** Listed, so that only the address beside it can be refused. */
const LISTED = 'http://10.20.0.5'

const webhookKey = createWebhookKey('hmac-sha256')
const posted = {
  webhookId: 'msg_1',
  records: 0,
  digest: '',
  body: '{}',
} as unknown as Batch

async function deliver(url: string, guard: EgressGuard): Promise<void> {
  const agent = guard.agent(300)
  try {
    const endpoint = {
      url: guard.assertUrl(url),
      secrets: [webhookKey.secret],
      agent,
      demandsReceipt: false,
    }
    const failure = await post(endpoint, posted)
    if (failure !== null) throw new Error(failure.code)
  } finally {
    await agent.destroy()
  }
}

/** Every door, by name. */
export const addressDoors: Readonly<Record<string, AddressDoor>> = {
  feed: ({ host, port }, guard) => readFirstPage(httpSource(`http://${host}:${port}`), guard),
  'feed by https': ({ host, port }, guard) => readFirstPage(httpSource(`https://${host}:${port}`), guard),
  token: ({ host, port }, guard) =>
    readFirstPage(
      httpSource(LISTED, {
        auth: {
          kind: 'oauth2',
          tokenUrl: `http://${host}:${port}/token`,
          clientId: 'id',
          clientSecret: 'key',
          clientIn: 'body',
        },
      }),
      guard,
    ),
  webhook: ({ host, port }, guard) => deliver(`http://${host}:${port}/hook`, guard),
  postgresql: (place, guard) => readFirstPage(sqlSource('postgresql', place), guard),
  mariadb: (place, guard) => readFirstPage(sqlSource('mariadb', place), guard),
  sftp: (place, guard) =>
    readFirstPage(
      fileSource({
        kind: 'sftp',
        host: plain(place),
        port: place.port,
        hostKeys,
        auth: { kind: 'password', password: 'word' },
      }),
      guard,
    ),
  ftps: (place, guard) =>
    readFirstPage(fileSource({ kind: 'ftps', host: plain(place), port: place.port, password: 'word' }), guard),
}

/** Doors that follow nothing: an allowed server at `place` sends them on. */
export const redirectedDoors: Readonly<Record<string, AddressDoor>> = {
  feed: addressDoors['feed'] as AddressDoor,
  token: addressDoors['token'] as AddressDoor,
  webhook: addressDoors['webhook'] as AddressDoor,
}
