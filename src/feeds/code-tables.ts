import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../errors.ts'

/** One code list of a standard, with the edition and the source it was taken from. Data, never program text. */
export interface CodeTable {
  readonly name: string
  readonly title: string
  readonly titleEn: string
  readonly edition: string
  readonly source: string
  readonly certainty: string
  /** Label by code. */
  readonly codes: ReadonlyMap<string, string>
}

type CodeTableFile = Omit<CodeTable, 'codes'> & { readonly codes: Readonly<Record<string, string>> }

const TEXTS = ['name', 'title', 'titleEn', 'edition', 'source', 'certainty']

/** The JSON value of a file. Throws AppError SCHEMA_INVALID naming the file where it is no JSON object. */
export function readJsonObject(path: string, file: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (isObject(value)) return value
  } catch {
    // The message of JSON.parse quotes the file; the file and what is wanted are enough to act on.
  }
  throw new AppError('SCHEMA_INVALID', `${file}: given a file that is not a JSON object, wanted one; correct the file`)
}

/** True for a JSON object: neither null nor an array. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''

/** Throws AppError SCHEMA_INVALID at the first member that no code table has. */
function assertCodeTable(file: string, value: Readonly<Record<string, unknown>>): asserts value is CodeTableFile {
  const codes = isObject(value['codes']) ? Object.values(value['codes']) : []
  const members = [
    ...TEXTS.map((text) => ({ pointer: `/${text}`, holds: isText(value[text]), wanted: 'a text' })),
    { pointer: '/name', holds: `${String(value['name'])}.json` === file, wanted: 'the name of the file' },
    { pointer: '/codes', holds: codes.length > 0 && codes.every(isText), wanted: 'an object of code and label' },
  ]
  const wrong = members.find((member) => !member.holds)
  if (wrong === undefined) return
  throw new AppError('SCHEMA_INVALID', `codes/${file}#${wrong.pointer}: wanted ${wrong.wanted}; correct the code table`)
}

function readCodeTable(directory: string, file: string): CodeTable {
  const value = readJsonObject(join(directory, file), `codes/${file}`)
  assertCodeTable(file, value)
  return { ...value, codes: new Map(Object.entries(value.codes)) }
}

/** Every code table of `<directory>/codes/`, by name. Throws AppError SCHEMA_INVALID naming file and JSON pointer. */
export function loadCodeTables(directory: string): ReadonlyMap<string, CodeTable> {
  const folder = join(directory, 'codes')
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'))
  const tables = files.sort().map((file) => readCodeTable(folder, file))
  return new Map(tables.map((table) => [table.name, table]))
}
