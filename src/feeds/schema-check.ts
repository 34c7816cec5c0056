import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import { RE2JS } from 're2js'
import type { Reason } from '../record.ts'
import type { CodeTable } from './code-tables.ts'
import { findFormat, formats } from './formats.ts'

/** Annotations that say how a property is protected and shown; ajv only has to know that they exist. */
const ANNOTATIONS = [
  'x-gb-title-en',
  'x-gb-dataset',
  'x-gb-version',
  'x-gb-lead',
  'x-gb-subject',
  'x-gb-merge',
  'x-gb-person',
  'x-gb-class',
  'x-gb-level',
  'x-gb-mask',
  'x-gb-mask-minor',
  'x-gb-mask-individual',
  'x-gb-text',
]

/**
 * Linear-time engine for `pattern`: departments upload schemas, and one bad pattern must not stop a worker. About 1 µs
 * for a match, ten times a native one; our own schemas use formats instead of patterns, so they do not pay it.
 */
export const linearPattern = Object.assign((pattern: string) => RE2JS.compile(RE2JS.translateRegExp(pattern)), {
  code: 'linearPattern',
})

/** The rule that a broken schema keyword stands for. Any other keyword is DQ-005. */
const keywordRules: Readonly<Record<string, string>> = {
  required: 'DQ-001',
  additionalProperties: 'DQ-002',
  enum: 'DQ-040',
  'x-gb-codes': 'DQ-040',
}
const OTHER_KEYWORD = 'DQ-005'

/** A missing grid is a case of its own: such rows wait for the grid institution. */
const requiredRules: Readonly<Record<string, string>> = { gridCode: 'DQ-032' }

/** One ajv instance for all dataset schemas: strict, all errors, linear patterns, our formats and code tables. */
export function createSchemaCompiler(tables: ReadonlyMap<string, CodeTable>): Ajv2020 {
  const ajv = new Ajv2020({ strict: true, allErrors: true, code: { regExp: linearPattern } })
  ajv.addVocabulary(ANNOTATIONS)
  for (const [name, format] of Object.entries(formats)) ajv.addFormat(name, format.check)
  ajv.addKeyword({
    keyword: 'x-gb-codes',
    type: 'string',
    schemaType: 'string',
    compile: (name: string) => {
      const codes = tables.get(name)?.codes
      return (code: string) => codes?.has(code) ?? false
    },
  })
  return ajv
}

function fieldOf(error: ErrorObject): string | null {
  if (error.keyword === 'required') return String(error.params['missingProperty'])
  const [, name] = error.instancePath.split('/')
  return name ?? null
}

function ruleOf(error: ErrorObject, field: string | null): string {
  if (error.keyword === 'format') return findFormat(error.params['format'])?.rule ?? OTHER_KEYWORD
  if (error.keyword === 'required') return requiredRules[field ?? ''] ?? 'DQ-001'
  return keywordRules[error.keyword] ?? OTHER_KEYWORD
}

/** An ajv error as a reason: rule id and schema property, never a value or a key the sender chose. */
function toReason(error: ErrorObject, known: ReadonlySet<string>): Reason {
  const field = fieldOf(error)
  return { rule: ruleOf(error, field), field: field !== null && known.has(field) ? field : null }
}

const NO_REASONS: readonly Reason[] = []

/** The check of one compiled schema; `known` are its properties. Same rule and field are told once. */
export function createCheck(
  validate: ValidateFunction,
  known: ReadonlySet<string>,
): (fields: unknown) => readonly Reason[] {
  return (fields) => {
    if (validate(fields)) return NO_REASONS
    const reasons = (validate.errors ?? []).map((error) => toReason(error, known))
    const distinct = new Map(reasons.map((reason) => [`${reason.rule} ${reason.field ?? ''}`, reason]))
    return [...distinct.values()]
  }
}
