import type { ErrorObject } from 'ajv/dist/2020.js'
import { isObject } from './code-tables.ts'
import { holdsPersonalNumber } from './formats.ts'

/** One thing wrong with a manifest: where, what was given, what is wanted. */
export interface ManifestFault {
  readonly pointer: string
  readonly given: string
  readonly wanted: string
}

const SHOWN_LENGTH = 40

/**
 * A value as a reader needs it to find the place. Long texts are not shown, nor what looks like a key or a number of a person:
 * either may have come into the wrong place.
 */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (isObject(value)) return 'an object'
  if (typeof value === 'string' && (value.length > SHOWN_LENGTH || looksSecret(value) || holdsPersonalNumber(value)))
    return `a text of ${value.length}`
  if (typeof value === 'number' && holdsPersonalNumber(String(value))) return 'a number'
  return JSON.stringify(value)
}

const SECRET_FORMS: readonly RegExp[] = [
  /^eyJ[\w-]+\.[\w-]+/,
  /-----BEGIN /,
  /^[0-9a-fA-F]{24,}$/,
  /^(?=(?:[^0-9]*[0-9]){3})(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])[A-Za-z0-9+/_=-]{20,}$/,
  /^(?:sk|ak|ghp|AKIA)[-_A-Z0-9][\w-]{12,}$/,
]

/** True for a text in one of the forms of keys and tokens. */
export function looksSecret(text: string): boolean {
  return SECRET_FORMS.some((form) => form.test(text))
}

function memberOf(value: unknown, key: string): unknown {
  if (Array.isArray(value)) return value[Number(key)]
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
}

/** The value at a JSON pointer (RFC 6901), or undefined. */
export function valueAt(root: unknown, pointer: string): unknown {
  const keys = pointer.split('/').slice(1)
  return keys.map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~')).reduce(memberOf, root)
}

type Members = Readonly<Record<string, unknown>>
type Wanted = (params: Members, schema: Members | undefined) => string

const wantedByKeyword: Readonly<Record<string, Wanted>> = {
  required: (params) => `the member "${String(params['missingProperty'])}"`,
  additionalProperties: () => 'only members that the manifest schema names',
  unevaluatedProperties: () => 'only members that the manifest schema names',
  const: (params) => JSON.stringify(params['allowedValue']),
  enum: (params) => `one of ${JSON.stringify(params['allowedValues'])}`,
  type: (params) => `a value of type ${String(params['type'])}`,
  pattern: (params) => `a text like ${String(params['pattern'])}`,
  format: (params) => `a ${String(params['format'])}`,
  oneOf: () => 'exactly one of the forms that the manifest schema names',
  discriminator: (_, schema) => `one of ${String(schema?.['$comment'])}`,
  minItems: (params) => `at least ${String(params['limit'])} entries`,
}

function wantedOf(error: ErrorObject): string {
  const wanted = wantedByKeyword[error.keyword]
  return wanted === undefined ? (error.message ?? 'another value') : wanted(error.params, error.parentSchema)
}

/** The errors of ajv as faults of the manifest `root`; the same fault is told once. */
export function toManifestFaults(errors: readonly ErrorObject[], root: unknown): readonly ManifestFault[] {
  const faults = errors.filter(isTold).map((error) => {
    const pointer = error.keyword === 'discriminator' ? `${error.instancePath}/kind` : error.instancePath
    return { pointer: pointer || '/', given: describe(valueAt(root, pointer)), wanted: wantedOf(error) }
  })
  const distinct = new Map(faults.map((fault) => [`${fault.pointer} ${fault.wanted}`, fault]))
  return [...distinct.values()]
}

/** Both forms of a mapping lack something when neither fits; that exactly one must fit says it all. */
function isTold({ keyword, schemaPath }: ErrorObject): boolean {
  return !(keyword === 'required' && schemaPath.includes('/mapping/oneOf/'))
}
