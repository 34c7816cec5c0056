import pg from 'pg'
import { kindOfServerEntry, type Sink, type SinkKind } from './taint-kinds.ts'

const kindOfSchema: Readonly<Record<string, SinkKind>> = {
  audit: 'audit columns',
  bullmq: 'queue tables',
  pg_catalog: 'catalogue',
  information_schema: 'catalogue',
}

const kindOfColumn: Readonly<Record<string, SinkKind>> = { 'audit.entry.body': 'audit bodies' }

function kindOf(schema: string, table: string, column: string): SinkKind {
  if (schema === 'bullmq' && table.includes('event')) return 'queue events'
  return kindOfColumn[`${schema}.${table}.${column}`] ?? kindOfSchema[schema] ?? 'product tables'
}

const BYTEA = 17
const asText = { getTypeParser: () => (value: string) => value } as unknown as pg.CustomTypesConfig
const between = Buffer.from('\n')

/** A value as the server wrote it; bytes as they are, since hex would hide their encoding. */
const bytesOf = (value: string | null, type: number): Buffer =>
  value === null ? Buffer.alloc(0) : type === BYTEA ? Buffer.from(value.slice(2), 'hex') : Buffer.from(value)

/** Every column by itself, and the lines of a plain dump, in which bytes are hex. */
async function* readTable(owner: pg.Client, schema: string, table: string): AsyncGenerator<Sink> {
  const { rows, fields } = await owner.query<(string | null)[]>({
    text: `select * from ${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`,
    rowMode: 'array',
    types: asText,
  })
  for (const [place, { name, dataTypeID }] of fields.entries()) {
    const cells = rows.flatMap((row) => [bytesOf(row[place] ?? null, dataTypeID), between])
    yield { kind: kindOf(schema, table, name), place: `${schema}.${table}.${name}`, bytes: Buffer.concat(cells) }
  }
  if (kindOfSchema[schema] === 'catalogue') return
  const lines = rows.map((row) => row.map((value) => value ?? String.raw`\N`).join('\t'))
  yield { kind: 'plain dump', place: `${schema}.${table}`, bytes: Buffer.from(lines.join('\n')) }
}

/** What the server tells of the statements that run and that ran. */
const activities = [
  ['statement activity', 'pg_stat_activity', 'select to_jsonb(a)::text as line from pg_stat_activity a'],
  ['statement statistics', 'pg_stat_statements', 'select to_jsonb(s)::text as line from pg_stat_statements s'],
] as const satisfies readonly (readonly [SinkKind, string, string])[]

/** Every column of every table of every schema, and what the server is doing. */
export async function* readDatabase(owner: pg.Client): AsyncGenerator<Sink> {
  for (const [kind, place, text] of activities) {
    const { rows } = await owner.query<{ line: string }>(text)
    yield { kind, place, bytes: Buffer.from(rows.map(({ line }) => line).join('\n')) }
  }
  const { rows: tables } = await owner.query<{ schema: string; name: string }>(
    `select nspname as schema, relname as name from pg_class join pg_namespace on pg_namespace.oid = relnamespace
      where relkind in ('r', 'm', 'p') and nspname not like 'pg_toast%' order by 1, 2`,
  )
  for (const { schema, name } of tables) yield* readTable(owner, schema, name)
}

/** What each file of the server holds, by its path in the data directory. */
export async function openFileKinds(owner: pg.Client): Promise<(name: string) => SinkKind> {
  const { rows } = await owner.query<{ file: string; kind: string }>(
    `select pg_relation_filepath(oid) as file, relkind as kind from pg_class where relkind in ('r', 't', 'm', 'i', 'S')`,
  )
  const kinds = new Map(rows.map(({ file, kind }) => [file, kind === 'i' ? 'index files' : 'table files'] as const))
  return (name) => {
    if (/(^|\/)pg_wal\//.test(name)) return 'write-ahead log'
    return kinds.get(name.replace(/(_fsm|_vm|_init)?(\.\d+)?$/, '')) ?? 'other server files'
  }
}

/** Every option that makes PostgreSQL tell more of its statements than it does by itself: plans, durations, texts. */
const watching = [
  `shared_preload_libraries = 'pg_stat_statements', 'auto_explain'`,
  `pg_stat_statements.track = 'all'`,
  'log_min_duration_statement = 20',
  `log_statement = 'all'`,
  'log_lock_waits = on',
  'auto_explain.log_min_duration = 0',
  'auto_explain.log_nested_statements = on',
  // Parameters are what the product's settings keep out of the log, as docs/operations.md wants of a city's server; a plan that is made
  // for given values would repeat them.
  'auto_explain.log_parameter_max_length = 0',
  `plan_cache_mode = 'force_generic_plan'`,
] as const

/** Turns the server into one that tells everything; it has to be started anew. */
export async function watchStatements(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  for (const setting of watching) await client.query(`alter system set ${setting}`)
  await client.query('create extension if not exists pg_stat_statements')
  await client.end()
}

/** The server's log, its entries by kind; an entry begins with a date and goes on over lines. */
export function* splitServerLog(bytes: Buffer): Generator<Sink> {
  const entries = bytes.toString('latin1').split(/\n(?=\d{4}-\d\d-\d\d )/)
  for (const [kind, some] of Map.groupBy(entries, kindOfServerEntry))
    yield { kind, place: 'postgresql.log', bytes: Buffer.from(some.join('\n'), 'latin1') }
}
