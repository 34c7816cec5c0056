import { sample, stringMatching } from 'fast-check'

/** What of JSON Schema the descriptions of requests use. */
interface Schema {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly minItems?: number
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
}

interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly schema: Schema
}

/** An operation of /openapi.json. */
export interface Operation {
  readonly operationId: string
  readonly security: readonly object[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
}

/** A request as it goes over the wire. */
export interface MadeRequest {
  readonly what: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly payload?: string
}

/** The parts of a request, before they are put together. Values in `path` and `query` are encoded already. */
interface Parts {
  readonly path: Readonly<Record<string, string>>
  readonly query: string
  readonly headers: Readonly<Record<string, string>>
  readonly payload?: string
}

const SEED = 20_261_101
/** The number of a citizen who does not exist: no answer repeats it. */
export const NUMBER = '510502190001010017'
const NUL = String.fromCharCode(0)

function textOf({ pattern, minLength = 1, maxLength = 8 }: Schema): string {
  if (pattern === undefined) return 'x'.repeat(Math.min(Math.max(minLength, 1), maxLength))
  return sample(stringMatching(new RegExp(pattern)), { numRuns: 1, seed: SEED })[0] ?? ''
}

const makers: Readonly<Record<string, (schema: Schema) => unknown>> = {
  string: textOf,
  integer: ({ minimum = 1 }) => Math.max(minimum, 1),
  number: ({ minimum = 1 }) => minimum,
  boolean: () => true,
  null: () => null,
  array: ({ items = {}, minItems = 1 }) => Array.from({ length: Math.max(minItems, 1) }, () => valueOf(items)),
  object: ({ properties = {} }) =>
    Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, valueOf(schema)])),
}

/** A value that fits the schema, the same each time. */
function valueOf(schema: Schema): unknown {
  if (schema.const !== undefined) return schema.const
  if (schema.enum !== undefined) return schema.enum[0]
  if (schema.anyOf !== undefined) return valueOf(schema.anyOf.at(-1) ?? {})
  return makers[schema.type ?? 'object']?.(schema)
}

/** Things that are there, so that what a request comes to does not always end at its first look. */
export type Known = Readonly<Record<string, string>>

/** The body with the names of what is there. */
function withKnown(value: unknown, known: Known): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]: [string, unknown]) => [
      name,
      typeof inner === 'string' ? (known[name] ?? inner) : inner,
    ]),
  )
}

const encoded = (value: unknown): string => encodeURIComponent(String(value))

function partsOf({ parameters = [], requestBody }: Operation, known: Known): Parts {
  const of = (place: Parameter['in']): readonly (readonly [string, string])[] =>
    parameters
      .filter((parameter) => parameter.in === place)
      .map(({ name, schema }) => [name, known[name] ?? String(valueOf(schema))])
  const [type, body] = Object.entries(requestBody?.content ?? {})[0] ?? []
  const typed = type === undefined ? {} : { 'content-type': type }
  const value = withKnown(valueOf(body?.schema ?? {}), known)
  const written = type?.includes('form')
    ? new URLSearchParams(value as Record<string, string>).toString()
    : JSON.stringify(value)
  return {
    path: Object.fromEntries(of('path').map(([name, text]) => [name, encoded(text)])),
    query: of('query')
      .map(([name, text]) => `${name}=${encoded(text)}`)
      .join('&'),
    headers: { ...Object.fromEntries(of('header')), ...typed },
    ...(type === undefined ? {} : { payload: written }),
  }
}

const strange = [
  '',
  ' ',
  '%00',
  '%',
  '%E0%A4%A',
  '..%2F..%2Fetc%2Fpasswd',
  '%27%3B%20drop%20table%20feed%3B%20--',
  '__proto__',
  'constructor',
  'toString',
  '-1',
  '0',
  '1e3',
  'NaN',
  '99999999999999999999',
  '2147483648',
  encoded('䶮𠮷'),
  '%ED%A0%80',
  NUMBER,
  'x'.repeat(3000),
] as const

const values: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  2_147_483_648,
  9_007_199_254_740_992,
  '',
  ' ',
  NUL,
  '\ud800',
  NUMBER,
  "'; drop table feed; --",
  '__proto__',
  '=1+1',
  'x'.repeat(100_000),
  [],
  [null],
  [[[[]]]],
  {},
  { a: { a: {} } },
  Array(2000).fill(NUMBER),
]

const bodies: readonly (readonly [what: string, text: string])[] = [
  ['nothing', ''],
  ['no JSON', '{"a":'],
  ['null', 'null'],
  ['a list', '[]'],
  ['a text', '"x"'],
  ['a number', '1'],
  ['an empty object', '{}'],
  ['twenty levels', `{"a":${'['.repeat(20)}${']'.repeat(20)}}`],
  ['100,000 levels', '['.repeat(100_000)],
  ['a prototype', `{"__proto__":{"admin":true}}`],
  ['a constructor', '{"constructor":{"prototype":{"admin":true}}}'],
  ['a name that nobody knows', `{"${NUMBER}":1}`],
  ['too much', `{"a":"${'x'.repeat(17 * 1024 * 1024)}"}`],
]

const types = [
  'application/json\ta',
  ' application/json',
  '\tapplication/json',
  'application/json;',
  'application/json; charset=utf-16',
  'application/xml',
  'text/plain',
  'multipart/form-data; boundary=x',
  'application/x-www-form-urlencoded',
  'application/json, text/plain',
  '',
] as const

/** The body with one member, at most two levels down, replaced, doubled or left out. */
function* mutateBody(payload: string): Generator<readonly [what: string, text: string]> {
  const whole = JSON.parse(payload) as Readonly<Record<string, unknown>>
  for (const [name, inner] of Object.entries(whole)) {
    for (const [at, value] of values.entries())
      yield [`${name} is value ${at}`, JSON.stringify({ ...whole, [name]: value })]
    yield [`${name} twice`, `${payload.slice(0, -1)},${JSON.stringify(name)}:1}`]
    yield [`without ${name}`, JSON.stringify({ ...whole, [name]: undefined })]
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) continue
    for (const [key, value] of Object.keys(inner).flatMap((below) => values.map((one) => [below, one] as const)))
      yield [`${name}.${key}`, JSON.stringify({ ...whole, [name]: { ...inner, [key]: value } })]
  }
}

function* mutateAddress(parts: Parts): Generator<readonly [what: string, parts: Parts]> {
  for (const [name, value] of Object.keys(parts.path).flatMap((one) => strange.map((text) => [one, text] as const)))
    yield [`path ${name}=${value.slice(0, 40)}`, { ...parts, path: { ...parts.path, [name]: value } }]
  const names = parts.query
    .split('&')
    .flatMap((pair) => pair.split('=', 1))
    .filter((name) => name !== '')
  for (const name of names) {
    for (const value of strange) yield [`query ${name}=${value.slice(0, 40)}`, { ...parts, query: `${name}=${value}` }]
    yield [`query ${name} twice`, { ...parts, query: `${name}=1&${name}=2&${name}[]=3` }]
  }
  for (const query of [
    'nobodyKnows=1',
    '__proto__[admin]=1',
    'constructor.prototype=1',
    '&&=&?',
    `${NUMBER}=${NUMBER}`,
  ])
    yield [`query ${query}`, { ...parts, query }]
}

function* mutateParts(parts: Parts): Generator<readonly [what: string, parts: Parts]> {
  yield* mutateAddress(parts)
  for (const name of Object.keys(parts.headers).filter((one) => one.startsWith('x-')))
    for (const value of ['', NUMBER, 'x'.repeat(5000), '-1'])
      yield [`header ${name}`, { ...parts, headers: { ...parts.headers, [name]: value } }]
  if (parts.payload === undefined) return
  for (const [what, payload] of bodies) yield [`body ${what}`, { ...parts, payload }]
  for (const type of types)
    yield [`type ${JSON.stringify(type)}`, { ...parts, headers: { ...parts.headers, 'content-type': type } }]
  if (!parts.payload.startsWith('{')) return
  for (const [what, payload] of mutateBody(parts.payload)) yield [`body ${what}`, { ...parts, payload }]
}

function assemble(
  what: string,
  method: string,
  address: string,
  { path, query, headers, payload }: Parts,
): MadeRequest {
  const place = address.replaceAll(/\{(\w+)\}/g, (_, name: string) => path[name] ?? '')
  const url = query === '' ? place : `${place}?${query}`
  return {
    what,
    method: method.toUpperCase() as MadeRequest['method'],
    url,
    headers,
    ...(payload === undefined ? {} : { payload }),
  }
}

/** One request that is shaped as the description says, and then as many that are not as there are ways to spoil it. */
export function makeRequests(
  method: string,
  address: string,
  operation: Operation,
  known: Known,
): { readonly shaped: MadeRequest; readonly spoilt: readonly MadeRequest[] } {
  const parts = partsOf(operation, known)
  const name = `${method.toUpperCase()} ${address}`
  return {
    shaped: assemble(name, method, address, parts),
    spoilt: [...mutateParts(parts)].map(([what, mutated]) => assemble(`${name}: ${what}`, method, address, mutated)),
  }
}
