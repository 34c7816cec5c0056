import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setImmediate as pause } from 'node:timers/promises'
import pg from 'pg'
import type { Sink, SinkKind } from './taint-capture.ts'
import type { Finder, Finding } from './taint-search.ts'
import type { Stage } from './taint-stage.ts'

/** A canary outside the sealed columns: where, which field and in which form. Never the value. */
export interface Hit extends Finding {
  readonly sink: SinkKind
  readonly place: string
}

export interface SearchResult {
  readonly hits: readonly Hit[]
  readonly bytes: number
  /** How many places of each kind were looked at. */
  readonly places: Readonly<Partial<Record<SinkKind, number>>>
}

const kindOfSchema: Readonly<Record<string, SinkKind>> = {
  audit: 'audit entries',
  bullmq: 'queue tables',
  pg_catalog: 'catalogue',
  information_schema: 'catalogue',
}

const BYTEA = 17
const asText = { getTypeParser: () => (value: string) => value } as unknown as pg.CustomTypesConfig
const between = Buffer.from('\n')

/** A value as the server wrote it; bytes as they are, since hex would hide their encoding. */
const bytesOf = (value: string | null, type: number): Buffer =>
  value === null ? Buffer.alloc(0) : type === BYTEA ? Buffer.from(value.slice(2), 'hex') : Buffer.from(value)

async function* readTable(owner: pg.Client, schema: string, table: string): AsyncGenerator<Sink> {
  const from = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`
  const { rows, fields } = await owner.query<(string | null)[]>({
    text: `select * from ${from}`,
    rowMode: 'array',
    types: asText,
  })
  for (const [place, { name, dataTypeID }] of fields.entries()) {
    const cells = rows.flatMap((row) => [bytesOf(row[place] ?? null, dataTypeID), between])
    yield {
      kind: kindOfSchema[schema] ?? 'product tables',
      place: `${schema}.${table}.${name}`,
      bytes: Buffer.concat(cells),
    }
  }
}

/** Every column of every table of every schema, and what the server is doing. */
async function* readDatabase({ owner }: Stage): AsyncGenerator<Sink> {
  const { rows: tables } = await owner.query<{ schema: string; name: string }>(
    `select nspname as schema, relname as name from pg_class join pg_namespace on pg_namespace.oid = relnamespace
      where relkind in ('r', 'm', 'p') and nspname not like 'pg_toast%' order by 1, 2`,
  )
  for (const { schema, name } of tables) yield* readTable(owner, schema, name)
  const { rows } = await owner.query<{ line: string }>(
    'select to_jsonb(pg_stat_activity)::text as line from pg_stat_activity',
  )
  yield {
    kind: 'statement activity',
    place: 'pg_stat_activity',
    bytes: Buffer.from(rows.map(({ line }) => line).join('\n')),
  }
}

function listFiles(directory: string): readonly string[] {
  if (!existsSync(directory)) return []
  const entries = readdirSync(directory, { withFileTypes: true, recursive: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name))
}

/** A file that the server takes away between listing and reading held nothing that is still there. */
function readIfThere(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch {
    return Buffer.alloc(0)
  }
}

function* readFiles(directory: string, kindOf: (name: string) => SinkKind): Generator<Sink> {
  for (const file of listFiles(directory)) {
    const name = path.relative(directory, file)
    yield { kind: kindOf(name), place: name, bytes: readIfThere(file) }
  }
}

/** What a program leaves in the temporary directory, names included. */
function* readTemporaryFiles(directory: string): Generator<Sink> {
  for (const [place, file] of listFiles(directory).entries()) {
    const name = Buffer.from(`${path.relative(directory, file)}\n`)
    yield { kind: 'temporary files', place: `file ${place + 1}`, bytes: Buffer.concat([name, readIfThere(file)]) }
  }
}

const kindOfDataFile = (name: string): SinkKind => (/(^|\/)pg_wal\//.test(name) ? 'write-ahead log' : 'data files')

async function* readServerFiles({ owner, directories }: Stage): AsyncGenerator<Sink> {
  await owner.query('checkpoint')
  const { rows } = await owner.query<{ data_directory: string }>('show data_directory')
  const [data = ''] = rows.map((row) => row.data_directory)
  yield* readFiles(data, kindOfDataFile)
  const others = readFiles(directories.product, (name) => (name === 'postgresql.log' ? 'server log' : 'data files'))
  for (const sink of others) if (!path.join(directories.product, sink.place).startsWith(data + path.sep)) yield sink
}

async function* readQueueServer({ queueServer }: Stage): AsyncGenerator<Sink> {
  if (queueServer === null) return
  await queueServer.client.save()
  yield* readFiles(queueServer.directory, () => 'queue server')
}

/** Every place where a value could have come to rest or have left, as it is now. */
async function* readSinks(stage: Stage): AsyncGenerator<Sink> {
  yield* readDatabase(stage)
  yield* readServerFiles(stage)
  yield* readQueueServer(stage)
  yield* readTemporaryFiles(stage.directories.temporary)
  yield* readFiles(stage.directories.platform, () => 'receiver files')
  yield* stage.capture.sinks()
}

/** Searches every sink for every canary in every form. */
export async function searchEverything(stage: Stage, finder: Finder): Promise<SearchResult> {
  const hits: Hit[] = []
  const places: Partial<Record<SinkKind, number>> = {}
  let bytes = 0
  for await (const sink of readSinks(stage)) {
    // Another play may be running in this process; a search that never paused would let its connections time out.
    await pause()
    bytes += sink.bytes.length
    places[sink.kind] = (places[sink.kind] ?? 0) + 1
    hits.push(...finder.find(sink.bytes).map((finding) => ({ sink: sink.kind, place: sink.place, ...finding })))
  }
  return { hits, bytes, places }
}

/** The environment and arguments of a running process, where the system shows them. */
export function captureEnvironment({ capture }: Stage, name: string, pid: number): void {
  for (const file of ['environ', 'cmdline'])
    capture.write('process environment', name, readIfThere(`/proc/${pid}/${file}`))
}
