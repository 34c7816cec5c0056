import { buildingAt } from './geography.ts'
import type { Building } from './geography.ts'
import type { Dirt, RowRequest, SourceFields } from './layout.ts'
import { PEOPLE_PER_BUILDING } from './options.ts'
import type { City, Dataset } from './options.ts'
import { personAt } from './people.ts'
import type { Person } from './people.ts'

/** What one row of a register is made from: its own number, and what of the city it is about. */
export interface Entry extends RowRequest {
  /** The record id. */
  readonly id: string
  readonly building: Building
}

/** A list that a department keeps about people, units and places of the city. */
export interface Register {
  readonly dataset: Dataset
  /** First letters of its record ids. */
  readonly prefix: string
  /** Good rows in a city of 20,000 residents; other sizes in proportion. */
  readonly share: number
  /** One row, by the names that all registers of the dataset share. The record id comes first. */
  readonly row: (entry: Entry) => SourceFields
  /** What the department calls those columns. What is not named is not in its table. */
  readonly columns: Readonly<Record<string, string>>
  /** Kinds of dirt, on rows with the shared names. */
  readonly dirt: readonly Dirt[]
}

const SHARE_BASE = 20_000
/** Below that, a deleted row would be more than the delete guard of a feed allows. */
const LEAST_ROWS = 40

/** How many good rows a register of this share has. */
export function countRows(city: City, share: number): number {
  return Math.max(LEAST_ROWS, Math.round((city.residents * share) / SHARE_BASE))
}

/** The resident that row `location` of `rows` is about: residents are walked through evenly, the new ones of pass two last. */
export function personOfRow(
  city: City,
  rows: number,
  location: number,
): { readonly index: number; readonly person: Person } {
  const stride = Math.max(1, Math.floor(city.residents / rows))
  const index =
    location < rows ? (location * stride) % city.residents : city.buildings * PEOPLE_PER_BUILDING + location - rows
  return { index, person: personAt(city, index) }
}

function renameColumns(row: unknown, columns: Readonly<Record<string, string>>): unknown {
  if (typeof row !== 'object' || row === null) return row
  // A dirty row may hold a column that its table does not have.
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [columns[name] ?? name, value]))
}

function nameColumns(row: SourceFields, columns: Readonly<Record<string, string>>): SourceFields {
  return Object.fromEntries(Object.entries(columns).map(([name, column]) => [column, row[name] ?? null]))
}

function openEntry(request: RowRequest, { prefix, share }: Register): Entry {
  const { city, identity, location } = request
  const building = buildingAt(city, Math.floor((location * city.buildings) / countRows(city, share)))
  return { ...request, id: `${prefix}${String(identity).padStart(9, '0')}`, building }
}

/** How the rows of a register are made, in the department's own words. */
export function rowsOfRegister(register: Register): (request: RowRequest) => SourceFields {
  return (request) => nameColumns(register.row(openEntry(request, register)), register.columns)
}

/** The kinds of dirt of a register, in the department's own words. */
export function dirtOfRegister({ dirt, columns }: Register): readonly Dirt[] {
  const shared = Object.fromEntries(Object.entries(columns).map(([name, column]) => [column, name]))
  return dirt.map((kind) => ({
    ...kind,
    spoil: (row, spoiling) => renameColumns(kind.spoil(nameColumns(row, shared), spoiling), columns),
  }))
}
