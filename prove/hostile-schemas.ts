import { readFileSync } from 'node:fs'

/** A dataset schema that somebody proposes. */
export interface OfferedSchema {
  readonly what: string
  /** As JSON, so that it can hold what no JSON.stringify writes. */
  readonly text: string
}

type Json = Readonly<Record<string, unknown>>
interface DatasetFile extends Json {
  readonly properties: Readonly<Record<string, Json>>
  readonly required: readonly string[]
}

export const readSchema = (dataset: string): DatasetFile =>
  JSON.parse(readFileSync(new URL(`../schemas/${dataset}.schema.json`, import.meta.url), 'utf8'))

const base = readSchema('resident')
export const offer = (what: string, schema: unknown): OfferedSchema => ({ what, text: JSON.stringify(schema) })
const named = (what: string, text: string): OfferedSchema => ({ what, text })

const plain = (members: Json): Json => ({
  title: '项目',
  'x-gb-title-en': 'Item',
  'x-gb-class': 'none',
  'x-gb-level': 'L1',
  'x-gb-mask': 'NONE',
  type: 'string',
  ...members,
})
/** The schema in use with one property more. */
export const adding = (members: Json, name = 'item'): Json => ({
  ...base,
  properties: { ...base.properties, [name]: plain(members) },
})
const onRoot = (members: Json): Json => ({ ...base, ...members })
const both = (what: string, members: Json): readonly OfferedSchema[] => [
  offer(`${what}, of a property`, adding(members)),
  offer(`${what}, of the record`, onRoot(members)),
]

/** Slow in an engine that backtracks, too large for one that does not, or not of the regular languages at all. */
const patterns = [
  '^(a+)+$',
  '^(a*)*$',
  '^(a|a)*$',
  '^(a|aa)+$',
  '^([a-zA-Z]+)*$',
  String.raw`^(\w+\s?)*$`,
  String.raw`^(\d+)*x$`,
  '(.*a){20}',
  '(a?){30}a{30}',
  'a?'.repeat(30) + 'a'.repeat(30),
  '^(([a-z])+.)+[A-Z]([a-z])+$',
  String.raw`^\s*(\S+\s*)*$`,
  '(x+x+)+y',
  '.*.*.*.*.*=.*',
  '((a{0,100}){0,100}){0,100}',
  '(a{0,1000}){0,1000}',
  '(((((((a{0,9}){0,9}){0,9}){0,9}){0,9}){0,9}){0,9})',
  'a{1001}',
  'a{0,999999999}',
  '(?=a)b',
  '(?!a)b',
  '(?<=a)b',
  '(?<!a)b',
  String.raw`(a)\1`,
  String.raw`(?<n>a)\k<n>`,
  '(',
  ')',
  '[',
  '[z-a]',
  '*',
  'a**',
  String.raw`\p{Nonsense}`,
  '(?'.repeat(80),
  '(a|b|c|d|e){12}',
  '[^x]+x',
  'a'.repeat(5000),
]
const slow = [...new Set(patterns)].flatMap((pattern, place) => [
  offer(`pattern ${place} without a length`, adding({ pattern })),
  offer(`pattern ${place} with a length`, adding({ pattern, maxLength: 10_000 })),
])

const references = [
  'http://169.254.169.254/latest/meta-data',
  'https://department.invalid/schema.json',
  'file:///etc/passwd',
  '//department.invalid/x',
  '#',
  '#/properties/item',
  '#/$defs/a',
  'data:application/json,{}',
  'https://json-schema.org/draft/2020-12/schema',
  'https://gridbridge.invalid/schemas/person.schema.json',
  '../../../etc/passwd',
].flatMap((target) => [
  ...both(`a reference to ${target}`, { $ref: target }),
  ...both('a dynamic one', { $dynamicRef: target }),
])

const recursive = [
  offer('definitions that name each other', onRoot({ $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } })),
  offer('a recursive anchor', onRoot({ $recursiveAnchor: true })),
  offer('a dynamic anchor', onRoot({ $dynamicAnchor: 'meta' })),
  offer('an anchor', adding({ $anchor: 'a' })),
  offer('a vocabulary', onRoot({ $vocabulary: { 'https://department.invalid/v': true } })),
]

/** `$data` reads the bound out of the judged value (CVE-2025-69873). */
const data = ['minLength', 'maxLength', 'minimum', 'maximum', 'pattern', 'format', 'enum', 'const', 'multipleOf'].map(
  (keyword) => offer(`$data in ${keyword}`, adding({ [keyword]: { $data: '1/sourceRecordId' } })),
)

function nest(keyword: string, levels: number): unknown {
  let schema: unknown = {}
  for (let level = 0; level < levels; level++)
    schema = { [keyword]: /^(all|any|one)Of$/.test(keyword) ? [schema, schema] : schema }
  return schema
}
const nesting = [
  'allOf',
  'anyOf',
  'oneOf',
  'not',
  'if',
  'items',
  'contains',
  'additionalProperties',
  'propertyNames',
].flatMap((keyword) => [
  ...both(`${keyword} in ${keyword}`, nest(keyword, 8) as Json),
  ...both(`one ${keyword}`, nest(keyword, 1) as Json),
])
const deep = [12, 100, 5000].map((levels) =>
  named(`${levels} levels`, `${'{"not":'.repeat(levels)}{}${'}'.repeat(levels)}`),
)

const wide = [
  offer('1,000 properties', { ...base, properties: { ...base.properties, ...many(1000, () => plain({})) } }),
  offer('2,500 properties that are empty', { ...base, properties: many(2500, () => ({})) }),
  offer('an enum of 20,000', adding({ enum: Array.from({ length: 20_000 }, (_, at) => `v${at}`) })),
  offer('an enum of 5,000', adding({ enum: Array.from({ length: 5000 }, (_, at) => `${at}`) })),
  offer('an enum of one long text', adding({ enum: ['x'.repeat(50_000)] })),
  offer('an enum of equal texts', adding({ enum: Array(500).fill('x') })),
  offer('an enum of objects', adding({ enum: [{ a: 1 }] })),
  offer('an empty enum', adding({ enum: [] })),
  offer('30,000 required names', onRoot({ required: Array.from({ length: 30_000 }, (_, at) => `n${at}`) })),
  offer('a required name 5,000 times', onRoot({ required: Array(5000).fill('sourceRecordId') })),
  offer('required objects', onRoot({ required: ['sourceRecordId', { toString: 'x' }] })),
  offer('a title of 60,000 characters', onRoot({ title: '长'.repeat(20_000) })),
  offer('a name of 60,000 characters', adding({}, 'n'.repeat(60_000))),
  offer('a merge of 20,000 fields', onRoot({ 'x-gb-merge': [{ fields: Array(20_000).fill('name') }] })),
]
function many(count: number, make: () => Json): Json {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`p${at}`, make()]))
}

/** Compile well and are dear to judge by: only the trial finds them. */
const dear = [
  [String.raw`\p{L}{1000}\p{L}{1000}`, 10_000],
  [String.raw`[\p{L}]{999}\p{L}{999}`, 10_000],
  [String.raw`(?:\p{Han}{100}|\p{L}{90}){10}`, 10_000],
  [String.raw`\p{L}{900}\p{N}{900}\p{L}{900}`, 9000],
  [String.raw`\p{L}{800}\p{L}{800}`, 9500],
].map(([pattern, maxLength], place) => offer(`dear pattern ${place}`, adding({ pattern, maxLength })))

const prototypes = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__'].flatMap(
  (name) => {
    const text = JSON.stringify(adding({}, 'PLACE'))
    return [
      named(`a property ${name}`, text.replace('"PLACE"', `"${name}"`)),
      named(`a keyword ${name}`, JSON.stringify(adding({ PLACE: { admin: true } })).replace('"PLACE"', `"${name}"`)),
      named(`a member ${name}`, JSON.stringify(onRoot({ PLACE: { admin: true } })).replace('"PLACE"', `"${name}"`)),
    ]
  },
)

const code = `"];process.mainModule.require('child_process').execSync('id');//`
const injections = [
  ...[
    'default',
    '$comment',
    'examples',
    'const',
    'errorMessage',
    'transform',
    'instanceof',
    'typeof',
    'regexp',
  ].flatMap((keyword) => both(`code in ${keyword}`, { [keyword]: code })),
  offer('code in a property name', adding({}, code)),
  offer('a name that ends a text', adding({}, "a'+process.exit()+'")),
  offer('a name with a line separator', adding({}, 'a\u2028b')),
  offer('code in a format', adding({ format: code })),
  offer('a format that is a prototype', adding({ format: 'constructor' })),
  offer('a format that ajv has', adding({ format: 'regex' })),
  offer('code in $id', onRoot({ $id: code })),
  offer('an $id of somebody else', onRoot({ $id: 'https://json-schema.org/draft/2020-12/schema' })),
  offer('another $schema', onRoot({ $schema: 'http://department.invalid/meta' })),
  offer('an old $schema', onRoot({ $schema: 'http://json-schema.org/draft-07/schema#' })),
  offer('code in a table name', adding({ 'x-gb-codes': '../../../etc/passwd' })),
  offer('a mask that is a prototype', adding({ 'x-gb-mask': 'constructor' })),
  offer('a department that is a path', onRoot({ 'x-gb-lead': '../x' })),
  offer('uniqueItems on objects', adding({ type: 'array', uniqueItems: true, items: { type: 'object' } })),
  offer('patternProperties', onRoot({ patternProperties: { '^(a+)+$': {} } })),
  offer('dependentSchemas', onRoot({ dependentSchemas: { name: {} } })),
  offer('unevaluatedProperties', onRoot({ unevaluatedProperties: {} })),
  offer('an open record', onRoot({ additionalProperties: true })),
  offer('a record that is a list', onRoot({ type: 'array' })),
  offer('two types', adding({ type: ['string', 'object'] })),
  offer('an object in the record', adding({ type: 'object' })),
]

const lengths = [-1, 1.5, 1e308, 10_001, '5', null, [], {}, true].flatMap((bound) =>
  ['minLength', 'maxLength'].map((keyword) =>
    offer(`${keyword} ${JSON.stringify(bound)}`, adding({ [keyword]: bound })),
  ),
)
const bounds = ['1', null, [], {}].map((bound) =>
  offer(`minimum ${JSON.stringify(bound)}`, adding({ type: 'integer', minimum: bound })),
)

const noSchemas = [
  'true',
  'false',
  'null',
  '0',
  '"x"',
  '[]',
  '{}',
  '[{}]',
  '{"properties":null}',
  '{"properties":[]}',
  '{"properties":{}}',
  '{"properties":{"a":null}}',
  '{',
  '',
  '{"a":1,"a":2}',
  'NaN',
].map((text) => named(`no schema: ${text}`, text))
const texts = [String.raw`\u0000`, String.raw`\ud800`, String.raw`\udc00\ud800`].flatMap((escape) => [
  named(`${escape} in a title`, JSON.stringify(onRoot({ title: 'PLACE' })).replace('PLACE', escape)),
  named(`${escape} in an enum`, JSON.stringify(adding({ enum: ['PLACE'] })).replace('PLACE', escape)),
  named(`${escape} in a name`, JSON.stringify(adding({}, 'PLACE')).replace('PLACE', escape)),
])

/** More than 200 schemas, each of which is to be refused. */
export const evilSchemas: readonly OfferedSchema[] = [
  ...slow,
  ...dear,
  ...references,
  ...recursive,
  ...data,
  ...nesting,
  ...deep,
  ...wide,
  ...prototypes,
  ...injections,
  ...lengths,
  ...bounds,
  ...noSchemas,
  ...texts,
]
