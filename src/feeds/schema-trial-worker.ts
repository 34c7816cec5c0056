/**
 * The thread in which a proposed schema is compiled and tried, with memory and time of its own (schema-trial.ts). Tells where it is
 * before whatever may not come back, then what it found.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { Ajv, type ValidateFunction } from 'ajv'
import secureSchema from 'ajv/lib/refs/json-schema-secure.json' with { type: 'json' }
import { isObject, type CodeTable } from './code-tables.ts'
import type { SchemaFault } from './dataset-rules.ts'
import { findFormat } from './formats.ts'
import { createSchemaCompiler } from './schema-check.ts'

type JsonObject = Readonly<Record<string, unknown>>

/** What the thread is given. */
export interface SchemaTrial {
  readonly schema: JsonObject
  readonly tables: ReadonlyMap<string, CodeTable>
}

/** What it says: the place it has come to, and at the end what is wrong. */
export type TrialNews =
  | { readonly kind: 'at'; readonly pointer: string }
  | { readonly kind: 'done'; readonly faults: readonly SchemaFault[] }

const SAMPLES = 1000
const MOST_VALUE_MS = 10
const MOST_RECORD_MS = 1
const LONGEST = 10_000

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
const tell = (news: TrialNews): void => parentPort?.postMessage(news)

function propertiesOf({ properties }: JsonObject): readonly (readonly [string, JsonObject])[] {
  return isObject(properties)
    ? Object.entries(properties).filter((entry): entry is [string, JsonObject] => isObject(entry[1]))
    : []
}

/** The formats of the product are bounded and linear themselves; the meta-schema wants a maxLength beside every format. */
function withoutOwnFormats(schema: JsonObject): JsonObject {
  const properties = propertiesOf(schema).map(([name, property]) => [
    name,
    Object.fromEntries(Object.entries(property).filter(([key, value]) => key !== 'format' || !findFormat(value))),
  ])
  return { ...schema, properties: Object.fromEntries(properties) as JsonObject }
}

/** What ajv's own meta-schema for schemas of strangers says against it. */
function assess(schema: JsonObject): readonly SchemaFault[] {
  const isSecure = new Ajv({ strict: false }).compile(secureSchema)
  if (isSecure(withoutOwnFormats(schema))) return []
  return (isSecure.errors ?? []).map(({ instancePath }) => ({
    pointer: instancePath,
    wanted: 'a bound on what is judged slowly: maxLength beside pattern',
  }))
}

/** Values that are likelier than most to be slow: long ones, of what patterns like to begin with, which end otherwise. */
function valuesFor({ type, maxLength, enum: values }: JsonObject): readonly unknown[] {
  if (type !== 'string') return [0, 1.5, -1e308, true]
  const longest = Math.min(typeof maxLength === 'number' ? maxLength : LONGEST, LONGEST)
  const long = ['a', '0', '测', 'aA0', ' '].map((unit) => `${unit.repeat(longest).slice(0, Math.max(0, longest - 1))}!`)
  return ['', '1', ...long, ...(Array.isArray(values) ? values.slice(-1) : [])]
}

/** Of this thread's own processor time: the machine may be busy with something else. */
function measure(work: () => void): number {
  const before = process.threadCpuUsage()
  work()
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1000
}

/** The first time a rule is used it is also translated, so the second time counts. */
const isSlow = (validate: ValidateFunction, value: unknown): boolean =>
  measure(() => validate(value)) > MOST_VALUE_MS && measure(() => validate(value)) > MOST_VALUE_MS

/** Properties one value of which takes longer than any may. */
function findSlowProperties({ schema, tables }: SchemaTrial): readonly SchemaFault[] {
  return propertiesOf(schema)
    .filter(([, property]) => property['pattern'] !== undefined)
    .flatMap(([name, property]) => {
      const pointer = `/properties/${name}/pattern`
      tell({ kind: 'at', pointer })
      const validate = createSchemaCompiler(tables).compile(property)
      const isDear = valuesFor(property).some((value) => isSlow(validate, value))
      return isDear ? [{ pointer, wanted: `a rule that judges any value within ${MOST_VALUE_MS} ms` }] : []
    })
}

function recordOf(properties: readonly (readonly [string, JsonObject])[], place: number): JsonObject {
  const members = properties.map(([name, property]) => {
    const values = valuesFor(property)
    return [name, values[place % values.length]] as const
  })
  return Object.fromEntries(members)
}

/** A thousand records must be judged as fast as a thousand of any other dataset. */
function findSlowRecords(validate: ValidateFunction, schema: JsonObject): readonly SchemaFault[] {
  tell({ kind: 'at', pointer: '/properties' })
  const properties = propertiesOf(schema)
  const kinds = Array.from({ length: 8 }, (_, place) => recordOf(properties, place))
  const taken = measure(() => {
    for (let sample = 0; sample < SAMPLES; sample++) validate(kinds[sample % kinds.length])
  })
  return taken / SAMPLES > MOST_RECORD_MS
    ? [{ pointer: '/properties', wanted: `rules that judge a record within ${MOST_RECORD_MS} ms` }]
    : []
}

function compile({ schema, tables }: SchemaTrial): ValidateFunction | SchemaFault {
  tell({ kind: 'at', pointer: '' })
  try {
    return createSchemaCompiler(tables).compile(schema)
  } catch (error) {
    // What ajv says of a schema quotes names and keywords of it, which are of known form by now.
    const reason = error instanceof Error ? error.message.slice(0, 300) : 'unknown'
    return { pointer: '', wanted: `a JSON Schema 2020-12 that compiles in strict mode; ${reason}` }
  }
}

function tryOut(trial: SchemaTrial): readonly SchemaFault[] {
  const insecure = assess(trial.schema)
  if (insecure.length > 0) return insecure
  const validate = compile(trial)
  if (typeof validate !== 'function') return [validate]
  const slow = findSlowProperties(trial)
  return slow.length > 0 ? slow : findSlowRecords(validate, trial.schema)
}

tell({ kind: 'at', pointer: '' })
tell({ kind: 'done', faults: tryOut(workerData as SchemaTrial) })
