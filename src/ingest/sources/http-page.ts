import { AppError } from '../../errors.ts'
import type { HttpSourceManifest, Paging, Pointer } from '../../feeds/manifest-types.ts'
import { findNextLink } from './http-link.ts'
import type { HttpPage } from './http-paging.ts'
import { harmlessCode } from './http-soap.ts'
import { readPointer } from './pointer.ts'

// A longer one does not fit a request line that servers accept (8,000 bytes, RFC 9110 §4.1) beside the rest of the query.
const MAX_TOKEN_LENGTH = 4000

/** The answer to one request: its document, and what of its headers is looked at. */
export interface HttpDocument {
  readonly body: unknown
  readonly link: string | undefined
  /** Header Date: the server's clock, to the second. */
  readonly date: string
}

/** Where each kind of paging finds the next page in an answer; null where the place is counted instead. */
const nextOf: {
  readonly [Kind in Paging['kind']]: (document: HttpDocument, paging: Paging, url: URL) => string | null
} = {
  token: ({ body }, paging) => (paging.kind === 'token' ? toToken(readPointer(body, paging.next)) : null),
  link: ({ link }, _paging, url) => toToken(findNextLink(link, url)),
  offset: () => null,
  page: () => null,
  keyset: () => null,
}

/**
 * Takes an answer apart; `url` is the address that was asked. Throws AppError SOURCE_REFUSED when the source says itself that it
 * did not succeed, and SOURCE_BODY_INVALID when something is not where the manifest says.
 */
export function takeApart(manifest: HttpSourceManifest, document: HttpDocument, url: URL): HttpPage {
  const { paging } = manifest
  assertSuccess(manifest.success, document.body)
  return {
    rows: toRows(manifest, document.body),
    next: nextOf[paging.kind](document, paging, url),
    total: readCount(document.body, paging.total),
    pageCount: readCount(document.body, paging.kind === 'page' ? paging.pageCount : undefined),
  }
}

function assertSuccess(success: HttpSourceManifest['success'], body: unknown): void {
  if (success === undefined) return
  const found = readPointer(body, success.pointer)
  const isScalar = ['string', 'number', 'boolean'].includes(typeof found)
  if (isScalar && success.values.some((value) => String(value) === String(found))) return
  throw new AppError('SOURCE_REFUSED', `${success.pointer} says that the request failed${harmlessCode(found)}`)
}

function toRows({ answer, records }: HttpSourceManifest, body: unknown): readonly unknown[] {
  const rows = readPointer(body, records)
  if (isList(rows)) return rows
  // XML has no empty list: an element that holds records holds none.
  const isXml = answer?.kind === 'xml' && answer.embedded?.kind !== 'json'
  const around = records.slice(0, records.lastIndexOf('/'))
  if (isXml && rows === undefined && readPointer(body, around) !== undefined) return []
  throw new AppError('SOURCE_BODY_INVALID', `no list of records at ${records === '' ? 'the root' : records}`)
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

function toToken(value: unknown): string | null {
  if (value === undefined || value === null || value === '') return null
  const token = typeof value === 'number' ? String(value) : value
  if (typeof token === 'string' && token.length <= MAX_TOKEN_LENGTH) return token
  throw new AppError(
    'SOURCE_BODY_INVALID',
    `the next page is named by no text of at most ${MAX_TOKEN_LENGTH} characters`,
  )
}

function readCount(body: unknown, pointer: Pointer | undefined): number | null {
  const value = pointer === undefined ? null : readPointer(body, pointer)
  if (value === undefined || value === null || value === '') return null
  const count = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  if (typeof count === 'number' && Number.isSafeInteger(count) && count >= 0) return count
  throw new AppError('SOURCE_BODY_INVALID', `no count at ${pointer}`)
}
