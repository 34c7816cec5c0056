import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import type { SqlSourceManifest } from '../../../src/feeds/manifest-types.ts'
import { AppError } from '../../../src/errors.ts'
import type { Source } from '../../../src/ingest/sources/source.ts'
import { longAgo, startEmulatedDatabase } from './emulated-table.ts'
import { startEmulatedMariadb } from './emulated-mariadb.ts'

const postgres = await startEmulatedDatabase()
const mariadb = await startEmulatedMariadb()
afterAll(async () => {
  await Promise.all([postgres.close(), mariadb.close()])
})

/** Pieces that end a name, a text or a statement in one database or another, and what would be done then. */
const piece = fc.constantFrom(
  '"',
  '""',
  '`',
  "'",
  "''",
  ']',
  ';',
  '--',
  '/*',
  '*/',
  '#',
  '\\',
  '\\"',
  '$$',
  '$1',
  '?',
  ':x',
  '%s',
  ' ',
  'id',
  'people',
  'drop table people',
  'delete from people',
  'or 1=1',
  'union select',
  'pg_sleep(5)',
  'sleep(5)',
  'e\u0301',
  '\u2019',
  '\uff07',
  '\u02bc',
  '中',
  ')',
  '(',
  ',',
)
const name = fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join(''))
const SEED = 20_261_129

/** Every place of a manifest that holds a text which could reach a statement. */
const places: readonly ((base: SqlSourceManifest, text: string) => Partial<SqlSourceManifest>)[] = [
  (_base, text) => ({ table: text }),
  (_base, text) => ({ schema: text }),
  (_base, text) => ({ columns: ['id', text] }),
  (_base, text) => ({ columns: [text], reading: { kind: 'whole', id: text } }),
  (_base, text) => ({ reading: { kind: 'keyset', updatedAt: text, id: 'id', window: longAgo }, columns: ['id', text] }),
  (_base, text) => ({ filter: { kind: 'compare', column: text, op: '=', value: '1' } }),
  (_base, text) => ({ filter: { kind: 'compare', column: 'id', op: '<>', value: text } }),
  (_base, text) => ({ filter: { kind: 'in', column: 'id', values: ['1', text] } }),
  (_base, text) => ({ filter: { kind: 'like-prefix', column: 'id', prefix: text } }),
  (_base, text) => ({ filter: { kind: 'not', filter: { kind: 'like-prefix', column: 'id', prefix: text } } }),
  (_base, text) => ({ database: text }),
  (_base, text) => ({ user: text }),
]

/** What the places came to: rows, or a code. */
async function readWith(open: () => Promise<Source>): Promise<string> {
  try {
    const source = await open()
    const { rows } = await source.readPage(null, new Date())
    return `${rows.length} rows`
  } catch (error) {
    return error instanceof AppError ? error.code : `uncoded ${String(error)}`
  }
}

/** A manifest never makes a statement that the database cannot read: it would be quoted wrongly. */
const SYNTAX = /42601|42703|42P01|error 1064|error 1054|error 1146|syntax/i

interface Play {
  readonly manifestOf: (table: string, change?: Partial<SqlSourceManifest>) => SqlSourceManifest
  readonly open: (manifest: SqlSourceManifest) => Promise<Source>
  readonly write: (text: string) => Promise<unknown>
  readonly count: () => Promise<number>
  readonly quote: (text: string) => string
}

const plays: Readonly<Record<string, Play>> = {
  postgresql: {
    ...postgres,
    write: (text) => postgres.writer.query(text),
    count: async () => {
      const { rows } = await postgres.writer.query<{ n: number }>('select count(*)::int as n from people')
      return rows[0]?.n ?? 0
    },
    quote: (text) => `"${text.replaceAll('"', '""')}"`,
  },
  mariadb: {
    ...mariadb,
    write: (text) => mariadb.writer.query(text),
    count: async () => {
      const [rows] = await mariadb.writer.query('select count(*) as n from people')
      return Number((rows as unknown as readonly { readonly n: number }[])[0]?.n)
    },
    quote: (text) => `\`${text.replaceAll('`', '``')}\``,
  },
}

describe.each(Object.entries(plays))('in %s', (_name, { manifestOf, open, write, count, quote }) => {
  test('no text of a manifest is read as SQL', { timeout: 120_000 }, async () => {
    await write('create table people (id varchar(40) primary key, at timestamp)')
    await write("insert into people values ('1', '2026-02-01 00:00:00'), ('2', '2026-02-02 00:00:00')")
    const outcomes = new Set<string>()
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...places), name, async (put, text) => {
        const base = manifestOf('people')
        const begun = performance.now()
        let detail = ''
        const outcome = await readWith(async () => {
          try {
            return await open({ ...base, ...put(base, text) })
          } catch (error) {
            detail = error instanceof AppError ? error.detail.replaceAll(text, '') : ''
            throw error
          }
        })
        outcomes.add(outcome)
        expect(outcome).toMatch(
          /^(0|1|2) rows$|^(SOURCE_REFUSED|SOURCE_UNAVAILABLE|SOURCE_KEY_UNUSABLE|MANIFEST_INVALID)$/,
        )
        expect(detail).not.toMatch(SYNTAX)
        expect(performance.now() - begun).toBeLessThan(4500)
      }),
      { numRuns: 300, seed: SEED },
    )
    expect(await count()).toBe(2)
    expect(outcomes.size).toBeGreaterThan(1)
  })

  test('a table and columns that are called so are read by their names', { timeout: 120_000 }, async () => {
    const names = fc.sample(
      // Both databases have names that they cannot keep: longer than 63 bytes, or with a blank at the end.
      name.filter((text) => Buffer.byteLength(text) < 60 && text.trim() === text && !/[\u0080-\uffff]/.test(text)),
      { numRuns: 40, seed: SEED },
    )
    for (const [place, text] of [...new Set(names)].entries()) {
      const table = `${text}${place}`
      await write(`create table ${quote(table)} (id varchar(40) primary key, ${quote(`${text}c`)} varchar(40))`)
      await write(`insert into ${quote(table)} values ('1', 'kept')`)
      const change = { columns: ['id', `${text}c`], reading: { kind: 'whole', id: 'id' } as const }
      const source = await open(manifestOf(table, change))
      const { rows } = await source.readPage(null, new Date())
      expect(rows.map(({ value }) => value)).toEqual([{ id: '1', [`${text}c`]: 'kept' }])
    }
    expect(await count()).toBe(2)
  })
})
