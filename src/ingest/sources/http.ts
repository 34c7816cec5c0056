import { AppError } from '../../errors.ts'
import type { HttpSourceManifest, Paging, Pointer } from '../../feeds/manifest-types.ts'
import type { EgressGuard } from '../../security/egress.ts'
import type { QueryPairs } from './http-auth.ts'
import { openAuth } from './http-auth.ts'
import { toStatusError } from './http-errors.ts'
import type { HttpPage, HttpPosition } from './http-position.ts'
import { advance, findPosition, restart } from './http-position.ts'
import type { HttpDoor } from './http-request.ts'
import { requestPage } from './http-request.ts'
import type { SourceLimits } from './limits.ts'
import { assertPageCount } from './limits.ts'
import { readPointer } from './pointer.ts'
import type { Secrets, Source, SourcePage } from './source.ts'

export interface HttpSourceOptions {
  readonly manifest: HttpSourceManifest
  readonly secrets: Secrets
  readonly egress: EgressGuard
  readonly limits: SourceLimits
  readonly recordId: Pointer
  readonly updatedAt?: Pointer | undefined
}

// A longer one does not fit a request line that servers accept (8,000 bytes, RFC 9110 §4.1) beside the rest of the query.
const MAX_TOKEN_LENGTH = 4000

type Variable = (position: HttpPosition, paging: Paging) => string | null

const variables: Readonly<Record<string, Variable>> = {
  '{window.from}': ({ window }) => window?.from ?? null,
  '{window.to}': ({ window }) => window?.to ?? null,
  '{page.token}': ({ token }) => token,
  '{page.offset}': ({ offset }) => String(offset),
  '{page.size}': (_position, paging) => String(paging.size),
}

/**
 * Opens a department's JSON API, paged by token or by offset. Reads whole or, with `incremental`, by windows of time. Throws
 * AppError SECRET_MISSING, MANIFEST_INVALID and EGRESS_FORBIDDEN; nothing is sent before the first page is read.
 */
export function openHttpSource(options: HttpSourceOptions): Source {
  const { manifest, egress, limits } = options
  assertQuery(manifest)
  const door: HttpDoor = {
    authenticate: openAuth(manifest.auth, options.secrets),
    url: joinUrl(egress.assertUrl(manifest.baseUrl), manifest.request.path),
    agent: egress.agent(manifest.timeouts.connectMs),
    timeouts: manifest.timeouts,
    pageBytes: limits.pageBytes,
  }
  return {
    readPage: async (cursor, now) => {
      const position = findPosition(manifest, cursor, now)
      return position.state === 'done' ? { rows: [], cursor: position, done: true } : readAt(options, door, position)
    },
    // A page that is being read ahead is given up, not waited for.
    close: () => door.agent.destroy(),
  }
}

async function readAt(options: HttpSourceOptions, door: HttpDoor, position: HttpPosition): Promise<SourcePage> {
  const { manifest, limits } = options
  const answer = await requestPage(door, queryFor(manifest, position))
  if (answer.kind === 'expired') {
    if (position.token === null) throw toStatusError(410, {}, `GET ${door.url.host}${door.url.pathname}`)
    return readAt(options, door, restart(position))
  }
  const page = takeApart(manifest, answer.body)
  const next = advance(manifest, { updatedAt: options.updatedAt, recordId: options.recordId }, position, page)
  const done = next.state === 'done'
  // The empty page that ends paging by offset is not one of the pages the manifest counts.
  if (page.rows.length > 0 || !done) assertPageCount(next.pages, limits)
  const rows = page.rows.map((value, row) => ({ row, value }))
  return { rows, cursor: next, done, ...(next.total === null ? {} : { total: next.total }) }
}

function takeApart(manifest: HttpSourceManifest, body: unknown): HttpPage {
  const rows = readPointer(body, manifest.records)
  if (!isList(rows)) throw new AppError('SOURCE_BODY_INVALID', `no list of records at ${manifest.records}`)
  const { paging } = manifest
  return {
    rows,
    next: paging.kind === 'token' ? toToken(readPointer(body, paging.next)) : null,
    total: paging.kind === 'offset' && paging.total !== undefined ? toTotal(readPointer(body, paging.total)) : null,
  }
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

function toToken(value: unknown): string | null {
  if (value === undefined || value === null || value === '') return null
  const token = typeof value === 'number' ? String(value) : value
  if (typeof token === 'string' && token.length <= MAX_TOKEN_LENGTH) return token
  throw new AppError('SOURCE_BODY_INVALID', `the next page token is no text of at most ${MAX_TOKEN_LENGTH} characters`)
}

function toTotal(value: unknown): number | null {
  if (value === undefined || value === null) return null
  const total = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  if (typeof total === 'number' && Number.isSafeInteger(total) && total >= 0) return total
  throw new AppError('SOURCE_BODY_INVALID', 'the stated total is no count')
}

/** A variable without a value, such as the token of the first page, leaves its parameter out. */
function queryFor(manifest: HttpSourceManifest, position: HttpPosition): QueryPairs {
  return Object.entries(manifest.request.query).flatMap(([name, template]) => {
    const variable = variables[template]
    const value = variable === undefined ? template : variable(position, manifest.paging)
    return value === null ? [] : [[name, value] as const]
  })
}

function assertQuery(manifest: HttpSourceManifest): void {
  const templates = Object.values(manifest.request.query)
  const unknown = templates.find((template) => /[{}]/.test(template) && !Object.hasOwn(variables, template))
  if (unknown !== undefined) throw new AppError('MANIFEST_INVALID', `no query variable is called ${unknown}`)
  if (manifest.incremental === undefined && templates.some((template) => template.startsWith('{window.'))) {
    throw new AppError('MANIFEST_INVALID', 'a query uses {window.…}, which needs incremental')
  }
}

/** The path is set and not resolved, so that `//host/path` cannot lead elsewhere. */
function joinUrl(base: URL, path: string): URL {
  const url = new URL(base)
  url.pathname = base.pathname.replace(/\/$/, '') + path
  url.search = ''
  url.hash = ''
  return url
}
