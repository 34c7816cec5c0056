import { describe, type ManifestFault } from './manifest-errors.ts'
import type { HttpSourceManifest, Manifest, Paging } from './manifest-types.ts'

/** The variable that tells the source which page is wanted; null where the source says so itself. */
const pageVariables: { readonly [Kind in Paging['kind']]: string | null } = {
  token: '{page.token}',
  offset: '{page.offset}',
  page: '{page.number}',
  keyset: '{page.key}',
  link: null,
}

const VARIABLE = /^\{(?:page|window)\.[a-z]+\}$/

function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : []
}

function variablesOf({ query, body }: HttpSourceManifest['request']): readonly string[] {
  return textsIn([query, body]).filter((text) => VARIABLE.test(text))
}

/** A page that is not asked for by its place is the first page for ever. */
function findPageVariableFaults({ request, paging }: HttpSourceManifest): readonly ManifestFault[] {
  const pointer = '/source/request'
  const own = pageVariables[paging.kind]
  const used = variablesOf(request)
  const foreign = used.filter((name) => name.startsWith('{page.') && name !== '{page.size}' && name !== own)
  const wanted = `${own ?? 'no variable of a page'}, because paging is by ${paging.kind}`
  return [
    ...foreign.map((name) => ({ pointer, given: name, wanted })),
    ...(own === null || used.includes(own) ? [] : [{ pointer, given: 'no variable of the page', wanted }]),
  ]
}

function findWindowFaults({ request, incremental }: HttpSourceManifest): readonly ManifestFault[] {
  const used = variablesOf(request).filter((name) => name.startsWith('{window.'))
  const pointer = '/source/incremental'
  if (incremental === undefined) {
    return used.map((name) => ({ pointer, given: 'nothing', wanted: `a window, which ${name} tells the source` }))
  }
  if (used.includes('{window.from}')) return []
  return [{ pointer, given: 'a window', wanted: '{window.from} in /source/request, which tells it to the source' }]
}

/** Where the whole answer is the list, nothing stands beside it. */
function findRootListFaults({ records, answer, paging, success }: HttpSourceManifest): readonly ManifestFault[] {
  const format = answer?.kind ?? 'json'
  const pointer = '/source/records'
  const misplaced = { ndjson: records !== '', xml: records === '', json: false }[format]
  const beside = ['next', 'total', 'pageCount']
    .filter((name) => Object.hasOwn(paging, name))
    .map((name) => `paging/${name}`)
  const lost = records === '' ? [...beside, ...(success === undefined ? [] : ['success'])] : []
  return [
    ...(misplaced
      ? [{ pointer, given: describe(records), wanted: format === 'xml' ? 'an element' : '"" for ndjson' }]
      : []),
    ...lost.map((name) => ({
      pointer: `/source/${name}`,
      given: 'a pointer',
      wanted: 'nothing: the answer is a bare list',
    })),
  ]
}

function findRequestFaults({ request, answer }: HttpSourceManifest): readonly ManifestFault[] {
  const { body, method } = request
  if (body === undefined) return []
  const hasBody = method === 'GET'
  const isUnread = body.kind === 'soap' && answer?.kind !== 'xml'
  return [
    ...(hasBody
      ? [{ pointer: '/source/request/method', given: '"GET"', wanted: 'POST, because there is a body' }]
      : []),
    ...(isUnread
      ? [{ pointer: '/source/answer/kind', given: describe(answer?.kind), wanted: 'xml, as SOAP answers' }]
      : []),
  ]
}

/** A certificate proves nothing without TLS, and a name that two write has two values. */
function findIdentityFaults({ auth, tls, baseUrl, request }: HttpSourceManifest): readonly ManifestFault[] {
  const isPlain = tls !== undefined && !baseUrl.startsWith('https:')
  const own = auth.kind === 'api-key' ? [auth.name] : auth.kind === 'sorted-parameters' ? Object.values(auth.names) : []
  const taken = own.filter((name) => Object.hasOwn(request.query, name))
  return [
    ...(isPlain
      ? [{ pointer: '/source/baseUrl', given: describe(baseUrl), wanted: 'https, because of /source/tls' }]
      : []),
    ...taken.map((name) => ({
      pointer: `/source/request/query/${name}`,
      given: 'a parameter',
      wanted: `nothing: /source/auth writes ${name}`,
    })),
  ]
}

/** Rows that share the last row's time would be passed over: a key of its own for each row is needed. */
function findKeyFaults({ source, record }: Manifest): readonly ManifestFault[] {
  const isByTime = source.kind === 'http' && source.paging.kind === 'keyset' && source.paging.key === record.updatedAt
  if (!isByTime) return []
  const wanted = 'a unique key such as /record/id, because many rows share one update time'
  return [{ pointer: '/source/paging/key', given: describe(record.updatedAt), wanted }]
}

/** Everything wrong with an HTTP source that its schema cannot say. */
export function findHttpFaults(manifest: Manifest): readonly ManifestFault[] {
  const { source } = manifest
  if (source.kind !== 'http') return []
  const findings = [findPageVariableFaults, findWindowFaults, findRootListFaults, findRequestFaults, findIdentityFaults]
  return [...findings.flatMap((find) => find(source)), ...findKeyFaults(manifest)]
}
