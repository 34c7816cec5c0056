import { AppError } from '../../errors.ts'
import type { HttpRequestBody, HttpSourceManifest, HttpValue } from '../../feeds/manifest-types.ts'
import { canonicalQuery } from '../../security/request-signature.ts'
import type { HttpPosition } from './http-position.ts'
import { writeEnvelope } from './http-soap.ts'
import { clockOf } from './http-time.ts'

export type QueryPairs = readonly (readonly [string, string])[]

/** One request before it is signed. */
export interface HttpMessage {
  readonly method: 'GET' | 'POST'
  /** Address without its query. */
  readonly url: URL
  readonly query: QueryPairs
  readonly headers: Readonly<Record<string, string>>
  /** The bytes of the body as text; empty where there is none. */
  readonly body: string
  /** The fields of a form, which signers count among the parameters; null for any other body. */
  readonly form: QueryPairs | null
}

type Written = Pick<HttpMessage, 'headers' | 'body' | 'form'>

type Fill = (template: HttpValue) => HttpValue | null

type BodyByKind = { readonly [Kind in HttpRequestBody['kind']]: Extract<HttpRequestBody, { readonly kind: Kind }> }

/** What a variable holds; null where it holds nothing yet, such as the token of the first page. */
const variables: Readonly<Record<string, (position: HttpPosition, manifest: HttpSourceManifest) => HttpValue | null>> =
  {
    '{window.from}': ({ window }, manifest) => writeTime(window?.from, manifest),
    '{window.to}': ({ window }, manifest) => writeTime(window?.to, manifest),
    '{page.token}': ({ token }) => token,
    '{page.offset}': ({ offset }) => offset,
    '{page.size}': (_position, { paging }) => paging.size,
    '{page.number}': ({ offset }, { paging }) => (paging.kind === 'page' ? paging.first + offset : null),
    '{page.key}': ({ key }, { paging }) => key ?? (paging.kind === 'keyset' ? (paging.start ?? null) : null),
  }

const bodies: { readonly [Kind in keyof BodyByKind]: (body: BodyByKind[Kind], fill: Fill) => Written } = {
  json: ({ fields }, fill) => ({
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(fillFields(fields, fill)),
    form: null,
  }),
  form: ({ fields }, fill) => {
    const form = fillPairs(fields, fill)
    return { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: canonicalQuery(form), form }
  },
  soap: (soap, fill) => {
    const filled = soap.parameters.map(({ name, value }) => [name, fill(value)] as const)
    const parameters = filled.flatMap(([name, value]) => (value === null ? [] : [[name, String(value)] as const]))
    return { ...writeEnvelope(soap, parameters), form: null }
  },
}

/**
 * The request for the page at `position`. A variable without a value leaves its parameter out. Paging by link goes where the
 * source said, which is at `url`'s own origin. Throws AppError CURSOR_INVALID for a token that another kind of paging saved.
 */
export function writeMessage(manifest: HttpSourceManifest, url: URL, position: HttpPosition): HttpMessage {
  const { method, query, body } = manifest.request
  const fill: Fill = (template) => fillVariable(template, position, manifest)
  const written = body === undefined ? { headers: {}, body: '', form: null } : writeBody(body.kind, body, fill)
  if (manifest.paging.kind === 'link' && position.token !== null) {
    const link = linkAt(url, position.token)
    return { method, url: withoutQuery(link), query: [...link.searchParams], ...written }
  }
  return { method, url, query: fillPairs(query, fill), ...written }
}

function writeBody<Kind extends keyof BodyByKind>(kind: Kind, body: BodyByKind[Kind], fill: Fill): Written {
  return bodies[kind](body, fill)
}

function fillVariable(template: HttpValue, position: HttpPosition, manifest: HttpSourceManifest): HttpValue | null {
  const variable = typeof template === 'string' ? variables[template] : undefined
  return variable === undefined ? template : variable(position, manifest)
}

function fillPairs(fields: Readonly<Record<string, string>>, fill: Fill): QueryPairs {
  return Object.entries(fields).flatMap(([name, template]) => {
    const value = fill(template)
    return value === null ? [] : [[name, String(value)] as const]
  })
}

function fillFields(fields: BodyByKind['json']['fields'], fill: Fill): Readonly<Record<string, unknown>> {
  const filled = Object.entries(fields).flatMap(([name, value]) => {
    const given = typeof value === 'object' ? fillNested(value, fill) : fill(value)
    return given === null ? [] : [[name, given] as const]
  })
  return Object.fromEntries(filled)
}

function fillNested(value: readonly HttpValue[] | Readonly<Record<string, HttpValue>>, fill: Fill): unknown {
  return isList(value) ? value.map(fill).filter((item) => item !== null) : fillFields(value, fill)
}

function isList(value: object): value is readonly HttpValue[] {
  return Array.isArray(value)
}

function writeTime(rfc3339: string | undefined, { incremental }: HttpSourceManifest): HttpValue | null {
  return rfc3339 === undefined ? null : clockOf(incremental?.time).write(Date.parse(rfc3339))
}

/** Behind the origin only a path can follow: `.example` would make another host of it. */
function linkAt(url: URL, token: string): URL {
  if (token.startsWith('/')) return new URL(url.origin + token)
  throw new AppError(
    'CURSOR_INVALID',
    'the saved cursor is of another kind of paging; start the feed from the beginning',
  )
}

function withoutQuery(link: URL): URL {
  const url = new URL(link)
  url.search = ''
  return url
}
