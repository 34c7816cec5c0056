import { randomBytes } from 'node:crypto'
import { setImmediate as pause } from 'node:timers/promises'
import pg from 'pg'
import { openDataKey, type KeyRing } from '../src/security/key-ring.ts'
import { openBytes } from '../src/security/seal.ts'
import { readDataKeys } from '../src/store/data-keys.ts'
import type { Query } from '../src/store/database.ts'
import { countBlocks, lockSealedBy, sealedPlaces } from '../src/store/sealed-values.ts'
import type { Finder } from './taint-search.ts'

export interface DumpVerdict {
  readonly dumpTables: number
  readonly dumpMegabytes: number
  readonly patterns: number
  /** Values found, as table, column, field and form; never the value. */
  readonly hits: readonly string[]
  /** Data keys that one who has the dump and the source code, and no or another key-encryption key, could open. */
  readonly openedWithoutKey: number
  /** Sealed values that hold one of the values that are looked for, opened with the key: they are in the dump, and only sealed. */
  readonly openedWithKey: number
}

/** Who holds the keys, for comparison. */
export interface Holder {
  readonly query: Query
  readonly keys: KeyRing
}

const AT_ONCE = 2000
const BYTEA = 17
const asText = { getTypeParser: () => (value: string) => value } as unknown as pg.CustomTypesConfig
const between = Buffer.from('\n')

/** A value as the server gives it to who copies the table; bytes as they are, since hex would hide their encoding. */
const bytesOf = (value: string | null, type: number): Buffer =>
  value === null ? Buffer.alloc(0) : type === BYTEA ? Buffer.from(value.slice(2), 'hex') : Buffer.from(value)

/** Some rows after the other, each column for itself. */
async function* copyTable(owner: pg.Client, table: string): AsyncGenerator<readonly [column: string, bytes: Buffer]> {
  await owner.query('begin')
  await owner.query(`declare copied cursor for select * from ${table}`)
  for (;;) {
    const { rows, fields } = await owner.query<(string | null)[]>({
      text: `fetch ${AT_ONCE} from copied`,
      rowMode: 'array',
      types: asText,
    })
    if (rows.length === 0) break
    for (const [place, { name, dataTypeID }] of fields.entries()) {
      const cells = rows.flatMap((row) => [bytesOf(row[place] ?? null, dataTypeID), between])
      yield [name, Buffer.concat(cells)]
    }
  }
  await owner.query('commit')
}

async function listTables(owner: pg.Client): Promise<readonly string[]> {
  const { rows } = await owner.query<{ name: string }>(
    `select format('%I.%I', nspname, relname) as name from pg_class join pg_namespace on pg_namespace.oid = relnamespace
      where relkind in ('r', 'm') and nspname not like 'pg_%' and nspname <> 'information_schema' order by 1`,
  )
  return rows.map(({ name }) => name)
}

/** How many data keys open with keys that somebody guesses: what is in the dump itself, and what is in the source code. */
async function openByGuess(query: Query): Promise<number> {
  const wrapped = await readDataKeys(query)
  const guesses = [
    Buffer.alloc(32),
    randomBytes(32),
    ...wrapped.map((key) => Buffer.from(key.wrapped).subarray(20, 52)),
  ]
  const nameless = wrapped.map((key) => ({ ...key, kek: null }))
  return nameless.filter((key) => {
    try {
      return openDataKey(guesses, key) !== null
    } catch {
      return false
    }
  }).length
}

/** Opens what rests sealed and counts what holds a value that is looked for. */
async function openByRight({ query, keys }: Holder, finder: Finder): Promise<number> {
  let found = 0
  for (const place of sealedPlaces) {
    const blocks = await countBlocks(query, place)
    for (let block = 0; block < blocks; block += place.blocks) {
      const values = await lockSealedBy(query, place, block, [keys.sealing.id])
      const clear = values.map(({ bound, sealed }) => openBytes(keys.sealKey, bound, sealed))
      found += clear.filter((text) => finder.find(text).length > 0).length
    }
  }
  return found
}

/** Copies every table as a dump does and looks for every value in every form. */
export async function searchDump(ownerUrl: string, holder: Holder, finder: Finder): Promise<DumpVerdict> {
  const owner = new pg.Client({ connectionString: ownerUrl })
  await owner.connect()
  const hits = new Set<string>()
  let bytes = 0
  try {
    const tables = await listTables(owner)
    for (const table of tables) {
      for await (const [column, cells] of copyTable(owner, table)) {
        bytes += cells.length
        for (const { field, form } of finder.find(cells)) hits.add(`${table}.${column} ${field} ${form}`)
        // Servers of this process have to go on answering.
        await pause()
      }
    }
    return {
      dumpTables: tables.length,
      dumpMegabytes: Math.round(bytes / 100_000) / 10,
      patterns: finder.patterns,
      hits: [...hits],
      openedWithoutKey: await openByGuess(holder.query),
      openedWithKey: await openByRight(holder, finder),
    }
  } finally {
    await owner.end()
  }
}
