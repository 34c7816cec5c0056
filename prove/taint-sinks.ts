import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setImmediate as pause } from 'node:timers/promises'
import { openFileKinds, readDatabase, splitServerLog } from './taint-database.ts'
import type { Sink, SinkKind } from './taint-kinds.ts'
import { openPacked } from './taint-openings.ts'
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
  /** How many packed contents were opened and searched too. */
  readonly packed: number
  /** How many places of each kind were looked at. */
  readonly places: Readonly<Partial<Record<SinkKind, number>>>
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

/** What lies in a folder where nobody knows the names beforehand: the names are searched too and never told. */
function* readNamedFiles(directory: string, kind: SinkKind): Generator<Sink> {
  for (const [place, file] of listFiles(directory).entries()) {
    const name = Buffer.from(`${path.relative(directory, file)}\n`)
    yield { kind, place: `file ${place + 1}`, bytes: Buffer.concat([name, readIfThere(file)]) }
  }
}

async function* readServerFiles({ owner, directories }: Stage): AsyncGenerator<Sink> {
  await owner().query('checkpoint')
  const { rows } = await owner().query<{ data_directory: string }>('show data_directory')
  const [data = ''] = rows.map((row) => row.data_directory)
  yield* readFiles(data, await openFileKinds(owner()))
  yield* splitServerLog(readIfThere(path.join(directories.product, 'postgresql.log')))
  const others = readFiles(directories.product, (name) => (name.endsWith('signed') ? 'checkpoints' : 'product files'))
  for (const sink of others) {
    const isServers = path.join(directories.product, sink.place).startsWith(data + path.sep)
    if (!isServers && sink.place !== 'postgresql.log') yield sink
  }
}

async function* readQueueServer({ queueServer }: Stage): AsyncGenerator<Sink> {
  if (queueServer === null) return
  await queueServer.client.save()
  yield* readFiles(queueServer.directory, () => 'queue server files')
}

/** Every place where a value could have come to rest or have left, as it is now. */
async function* readSinks(stage: Stage): AsyncGenerator<Sink> {
  const { directories } = stage
  yield* readDatabase(stage.owner())
  yield* readServerFiles(stage)
  yield* readQueueServer(stage)
  yield* readNamedFiles(directories.temporary, 'temporary files')
  yield* readNamedFiles(directories.evidence, 'evidence packages')
  yield* readNamedFiles(directories.archive, 'audit archives')
  yield* readNamedFiles(directories.reports, 'report files')
  yield* readFiles(directories.platform, () => 'receiver files')
  yield* stage.capture.sinks()
}

/** Searches every sink for every canary in every form, and what is packed in it. */
export async function searchEverything(stage: Stage, finder: Finder): Promise<SearchResult> {
  const hits: Hit[] = []
  const places: Partial<Record<SinkKind, number>> = {}
  let [bytes, packed] = [0, 0]
  for await (const sink of readSinks(stage)) {
    // Another play may be running in this process; a search that never paused would let its connections time out.
    await pause()
    const take = (findings: readonly Finding[]): unknown =>
      hits.push(...findings.map((finding) => ({ sink: sink.kind, place: sink.place, ...finding })))
    bytes += sink.bytes.length
    places[sink.kind] = (places[sink.kind] ?? 0) + 1
    take(finder.find(sink.bytes))
    for (const opened of openPacked(sink.bytes)) {
      packed += 1
      take(finder.find(opened))
    }
  }
  return { hits, bytes, packed, places }
}

/** The environment and arguments of a running process, where the system shows them. */
export function captureEnvironment({ capture }: Stage, name: string, pid: number): void {
  capture.write('process environment', name, readIfThere(`/proc/${pid}/environ`))
  capture.write('process arguments', name, readIfThere(`/proc/${pid}/cmdline`))
}
