import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, mkdir, open } from 'node:fs/promises'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { createTree } from '../audit/growing-tree.ts'
import { nodesOf } from '../audit/merkle.ts'
import { rangeDigest, rangeOf, type Pruned } from '../audit/pruned.ts'
import { nodeReader, tileOf } from '../audit/tiles.ts'
import { SHA256, SM3, type TreeHash } from '../audit/tree-hash.ts'
import { AppError } from '../errors.ts'
import { readTiles, readTreeSizes } from '../store/audit-tree.ts'
import type { Database, Query, Transaction } from '../store/database.ts'
import {
  approvePruning,
  findMinIndex,
  findPruning,
  insertPruning,
  prune,
  readByPlace,
  readLanesDigest,
  readPrunableUntil,
  readPruned,
  type Pruning,
  type PruningTerms,
} from '../store/pruning.ts'

/** Places of the tree, from the first up to, and not with, the last. */
interface Places {
  readonly firstIndex: number
  readonly minIndex: number
}

/** One line for each entry: its place and its body, byte for byte. */
async function* archiveLines(query: Query, { firstIndex, minIndex }: Places): AsyncGenerator<string> {
  for (let next = firstIndex; next < minIndex;) {
    const entries = await readByPlace(query, next, minIndex)
    if (entries.length === 0) throw new AppError('AUDIT_BROKEN', `the entry at place ${next} is missing`)
    yield entries.map(({ index, body }) => `${JSON.stringify({ index, body: body.toString('utf8') })}\n`).join('')
    next += entries.length
  }
}

async function writeArchive(query: Query, file: string, places: Places): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true })
    await pipeline(
      Readable.from(archiveLines(query, places)),
      createGzip(),
      createWriteStream(file, { flags: 'wx', mode: 0o600 }),
    )
    const written = await open(file, 'r')
    await written.sync()
    await written.close()
    await chmod(file, 0o400)
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new AppError('PRUNING_REFUSED', 'the archive is there already or cannot be written', { cause: error })
  }
}

interface ReadArchive {
  readonly sha256: string
  readonly sm3: string
  /** The hashes of everything below the end of the archive, one behind the other, in each tree. */
  readonly ranges: readonly Buffer[]
}

/** Reads an archive back from its file and goes on with it from where the log began before. Throws AUDIT_BROKEN where a place is missing. */
async function readArchive(
  file: string,
  before: Pruned,
  { firstIndex, minIndex, hashes }: Places & { readonly hashes: readonly TreeHash[] },
): Promise<ReadArchive> {
  const [sha256, sm3] = [createHash('sha256'), createHash('sm3')]
  const bytes = createReadStream(file).on('data', (chunk) => {
    sha256.update(chunk)
    sm3.update(chunk)
  })
  const trees = hashes.map((hashed) => ({ hashed, tree: createTree(firstIndex, rangeOf(before, hashed), hashed) }))
  let next = firstIndex
  for await (const line of createInterface({ input: bytes.pipe(createGunzip()), crlfDelay: Infinity })) {
    const { index, body } = JSON.parse(line) as { readonly index: number; readonly body: string }
    if (index !== next) throw new AppError('AUDIT_BROKEN', `the archive has no entry at place ${next}`)
    for (const { hashed, tree } of trees) tree.add(hashed.leaf(Buffer.from(body)))
    next += 1
  }
  if (next !== minIndex) throw new AppError('AUDIT_BROKEN', `the archive ends at place ${next}`)
  return {
    sha256: sha256.digest('hex'),
    sm3: sm3.digest('hex'),
    ranges: trees.map(({ tree }) => Buffer.concat([...tree.compactRange()])),
  }
}

/** The hashes of everything below a place in a tree, from the tiles that were signed. */
async function readRange(query: Query, below: number, tree: TreeHash): Promise<Buffer> {
  const nodes = nodesOf({ start: 0, end: below })
  const read = nodeReader(await readTiles(query, nodes.map(tileOf), tree.name), tree)
  return Buffer.concat(nodes.map(read))
}

/** The trees that the log has. */
const readTrees = async (query: Query): Promise<readonly TreeHash[]> =>
  (await readTreeSizes(query)).has('sm3') ? [SHA256, SM3] : [SHA256]

const monthOf = (at: Date): string => new Date(at.getTime() + 8 * 3_600_000).toISOString().slice(0, 7)

/** The beginning of the month of a time, in China Standard Time. */
const startOfMonth = (at: Date): Date => new Date(Date.parse(`${monthOf(at)}-01T00:00:00+08:00`))

/** Which places would go. Throws PRUNING_REFUSED where a month is younger than 36 months, or nothing is old enough. */
async function choosePlaces(query: Query, firstIndex: number, until: Date): Promise<Places> {
  if (until > (await readPrunableUntil(query))) throw new AppError('PRUNING_REFUSED', 'it is younger than 36 months')
  const minIndex = await findMinIndex(query, firstIndex, until)
  if (minIndex <= firstIndex)
    throw new AppError(
      'PRUNING_REFUSED',
      'fewer than 256 signed entries from before that month are left; wait for the next',
    )
  return { firstIndex, minIndex }
}

const factsOf = (terms: PruningTerms) => ({
  from: terms.from.toISOString(),
  until: terms.until.toISOString(),
  minIndex: terms.minIndex,
  range: rangeDigest([terms.compactRange]),
  ...(terms.sm3Range === null ? {} : { rangeSm3: rangeDigest([terms.sm3Range]) }),
  lanes: terms.lanesDigest,
  archiveSha256: terms.archiveSha256,
  archiveSm3: terms.archiveSm3,
})

/**
 * Writes everything from before `until`, the beginning of a month, into an archive in the folder, reads it back, compares it with the tree
 * that was signed, and asks for its removal. Throws PRUNING_REFUSED, AUDIT_BROKEN.
 */
export async function askToPrune(
  database: Database,
  { until, folder, actor }: { readonly until: Date; readonly folder: string; readonly actor: string },
): Promise<Pruning & { readonly archive: string }> {
  const { query } = database
  const before = await readPruned(query)
  const places = await choosePlaces(query, before.minIndex, until)
  const [oldest] = await readByPlace(query, places.firstIndex, places.firstIndex + 1)
  const from = startOfMonth(oldest?.recordedAt ?? until)
  const archive = path.join(folder, `audit-${monthOf(from)}-${monthOf(until)}-${places.firstIndex}.ndjson.gz`)
  await writeArchive(query, archive, places)
  const hashes = await readTrees(query)
  const read = await readArchive(archive, before, { ...places, hashes })
  for (const [place, hashed] of hashes.entries())
    if (read.ranges[place]?.equals(await readRange(query, places.minIndex, hashed)) !== true)
      throw new AppError('AUDIT_BROKEN', 'the archive is not what was signed')
  const [compactRange = Buffer.alloc(0), sm3Range = null] = read.ranges
  const lanesDigest = await readLanesDigest(query, places.minIndex)
  const archives = { archiveSha256: read.sha256, archiveSm3: read.sm3 }
  const terms = { from, until, ...places, compactRange, sm3Range, lanesDigest, ...archives }
  const pruningId = await database.transaction((transaction) => ask(transaction, terms, actor))
  return { ...(await findPruning(query, pruningId)), archive }
}

async function ask({ query, audit }: Transaction, terms: PruningTerms, actor: string): Promise<number> {
  const pruningId = await insertPruning(query, terms, actor)
  const count = terms.minIndex - terms.firstIndex
  const object = `pruning/${pruningId}`
  await audit({ type: 'pruning.asked', actor, outcome: 'ok', object, count, details: factsOf(terms) })
  return pruningId
}

/**
 * A second person agrees. The entry of it holds everything that the removal leaves behind; the database removes nothing before it is in the
 * signed log. Throws PRUNING_UNKNOWN, SECOND_PERSON.
 */
export async function agreeToPrune(database: Database, pruningId: number, actor: string): Promise<Pruning> {
  return database.transaction(async ({ query, audit }) => {
    const pruning = await findPruning(query, pruningId)
    if (pruning.requestedBy === actor) throw new AppError('SECOND_PERSON', 'you asked for it')
    if (!(await approvePruning(query, pruningId, actor))) return findPruning(query, pruningId)
    const count = pruning.minIndex - pruning.firstIndex
    const object = `pruning/${pruningId}`
    await audit({ type: 'pruning.approved', actor, outcome: 'ok', object, count, details: factsOf(pruning) })
    return findPruning(query, pruningId)
  })
}

/** Removes what was approved, as the pruner, and writes it down as the application; a second time it removes nothing. Throws PRUNING_REFUSED. */
export async function carryOutPruning(
  { application, pruner }: { readonly application: Database; readonly pruner: Database },
  pruningId: number,
  actor: string,
): Promise<number> {
  const removed = await prune(pruner.query, pruningId)
  const fact = { actor, outcome: 'ok', object: `pruning/${pruningId}`, count: removed } as const
  await application.transaction(({ audit }) => audit({ ...fact, type: 'pruning.done' }))
  return removed
}
