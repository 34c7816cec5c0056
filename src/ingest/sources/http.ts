import { createSecureContext } from 'node:tls'
import { AppError } from '../../errors.ts'
import type { HttpSourceManifest, Pointer } from '../../feeds/manifest-types.ts'
import type { ClientTls, EgressGuard } from '../../security/egress.ts'
import { openAuth } from './http-auth.ts'
import { toStatusError } from './http-errors.ts'
import { writeMessage } from './http-message.ts'
import { beginAgain, hasShrunk, isShort, leaveOutTies, narrow, rewind } from './http-narrow.ts'
import { takeApart } from './http-page.ts'
import type { HttpPage } from './http-paging.ts'
import { advancePlace } from './http-paging.ts'
import type { HttpPosition } from './http-position.ts'
import { countRows, findPosition, restart } from './http-position.ts'
import type { HttpDoor } from './http-request.ts'
import { requestPage } from './http-request.ts'
import type { SourceLimits } from './limits.ts'
import { assertPageCount } from './limits.ts'
import { takeSecret } from './secrets.ts'
import type { Secrets, Source, SourcePage } from './source.ts'

export interface HttpSourceOptions {
  readonly manifest: HttpSourceManifest
  readonly secrets: Secrets
  readonly egress: EgressGuard
  readonly limits: SourceLimits
  readonly recordId: Pointer
  readonly updatedAt?: Pointer | undefined
}

/**
 * Opens a department's HTTP interface. Reads whole or, with `incremental`, by windows of time. Throws AppError SECRET_MISSING,
 * MANIFEST_INVALID (certificates) and EGRESS_FORBIDDEN; nothing is sent before the first page is read.
 */
export function openHttpSource(options: HttpSourceOptions): Source {
  const door = openDoor(options)
  return {
    readPage: async (cursor, now) => {
      const position = findPosition(options.manifest, cursor, now)
      return position.state === 'done'
        ? { rows: [], cursor: position, done: true }
        : readAt(options, door, position, now)
    },
    // A page that is being read ahead is given up, not waited for.
    close: () => door.agent.destroy(),
  }
}

async function readAt(
  options: HttpSourceOptions,
  door: HttpDoor,
  position: HttpPosition,
  now: Date,
): Promise<SourcePage> {
  const { manifest, limits } = options
  const message = writeMessage(manifest, door.url, position)
  const answer = await requestPage(door, message)
  if (answer.kind === 'expired') {
    if (position.token === null) throw toStatusError(410, {}, `${message.method} ${door.url.host}${door.url.pathname}`)
    return readAt(options, door, restart(position), now)
  }
  const page = takeApart(manifest, answer, message.url)
  const fresh = leaveOutTies(position, page.rows)
  const next = findNext(options, position, page, fresh.length, now)
  const done = next.state === 'done'
  // The empty page that ends paging by place is not one of the pages the manifest counts.
  if (page.rows.length > 0 || !done) assertPageCount(next.pages, limits)
  const rows = fresh.map((value, row) => ({ row, value }))
  const sourceTime = Date.parse(answer.date)
  return {
    rows,
    cursor: next,
    done,
    ...(next.total === null ? {} : { total: next.before + next.total }),
    ...(Number.isNaN(sourceTime) ? {} : { sourceTime }),
  }
}

/** Where reading goes on after `page`: at its own next place, at the time of its last row, or at the window's beginning again. */
function findNext(
  options: HttpSourceOptions,
  position: HttpPosition,
  page: HttpPage,
  fresh: number,
  now: Date,
): HttpPosition {
  const { manifest, recordId, updatedAt } = options
  const pointers = { updatedAt, recordId }
  const read = countRows(manifest, pointers, position, page.rows, fresh)
  if (hasShrunk(manifest, position, page)) {
    // A window in the order of time is narrow, so little is read again, as often as limits.pages allows.
    return read.window !== null && read.ordered ? beginAgain(read) : rewind(read, page, now)
  }
  const narrowed = narrow(manifest, pointers, read, page)
  if (narrowed !== null) return narrowed
  const next = advancePlace(read, page, manifest.paging, recordId)
  return isShort(next) ? rewind(read, page, now) : next
}

function openDoor({ manifest, secrets, egress, limits }: HttpSourceOptions): HttpDoor {
  const { timeouts, records } = manifest
  const url = joinUrl(egress.assertUrl(manifest.baseUrl), manifest.request.path)
  const agent = egress.agent(timeouts.connectMs, takeTls(manifest.tls, secrets))
  return {
    agent,
    authenticator: openAuth(manifest.auth, secrets, { egress, agent, timeouts }),
    url,
    timeouts,
    expected: { format: manifest.answer ?? { kind: 'json' }, pageBytes: limits.pageBytes, records },
  }
}

function takeTls(tls: HttpSourceManifest['tls'], secrets: Secrets): ClientTls | undefined {
  if (tls === undefined) return undefined
  const take = (name: string | undefined): string | undefined => (name === undefined ? name : takeSecret(secrets, name))
  const taken: ClientTls = { cert: take(tls.certificate), key: take(tls.key), ca: take(tls.authority) }
  try {
    createSecureContext(taken)
  } catch {
    // Not kept as the cause: OpenSSL's message may quote the key.
    throw new AppError('MANIFEST_INVALID', 'the secrets of /source/tls are no certificate and its own key in PEM')
  }
  return taken
}

/** The path is set and not resolved, so that `//host/path` cannot lead elsewhere. */
function joinUrl(base: URL, path: string): URL {
  const url = new URL(base)
  url.pathname = base.pathname.replace(/\/$/, '') + path
  url.search = ''
  url.hash = ''
  return url
}
