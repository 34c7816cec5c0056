import { hash } from 'node:crypto'
import { readCheckpoint } from '../audit/checkpoint.ts'
import { inclusionRanges, nodesOf } from '../audit/merkle.ts'
import { readNote } from '../audit/note.ts'
import { tileAt, tileOf, tilePath, type Tile, type TilePlace } from '../audit/tiles.ts'
import type { TreeAlgorithm } from '../audit/tree-hash.ts'
import { writeProof } from '../audit/tlog-proof.ts'
import { AppError } from '../errors.ts'
import type { Evidence, PlacedEntry, Places, PublishedCheckpoint, TreeEvidence } from '../store/audit-evidence.ts'
import { provingReader } from './entry-proof.ts'
import { openPackage, writeVerifiers, type PackageFolder } from './evidence-files.ts'

/** What of the log is handed out. Times are RFC 3339, the end is not with it. */
export type Extent =
  | { readonly kind: 'whole' }
  | { readonly kind: 'between'; readonly from: string | null; readonly to: string | null }
  | { readonly kind: 'range'; readonly from: number; readonly to: number }
  | { readonly kind: 'entries'; readonly entryIds: readonly string[] }

/** A package as it will be: its places, and the newest checkpoint, over whose tree it is. */
export interface PackagePlan extends Places {
  readonly kind: 'whole' | 'range' | 'entries'
  /** The places of `entries` alone. */
  readonly indexes: readonly number[]
  readonly head: PublishedCheckpoint
  /** That of the tree over SM3, of the same size; not there where the package is without that tree. */
  readonly sm3Head?: PublishedCheckpoint
}

/** A proof of its own for each entry up to so many; beyond, the tiles prove the same in a hundredth of the files. */
const MOST_PROOFS = 1000

const unsigned = (what: string): AppError => new AppError('EVIDENCE_UNSIGNED', what)

/** The newest checkpoint of which the tree is still there. Throws EVIDENCE_UNSIGNED where there is none. */
function newestHead({ checkpoints, size }: Pick<TreeEvidence, 'checkpoints' | 'size'>): PublishedCheckpoint {
  const head = checkpoints.findLast((checkpoint) => checkpoint.size <= size) ?? checkpoints.at(-1)
  if (head === undefined) throw unsigned('sign the tree first: gridbridge audit sign')
  return head
}

type Heads = Pick<PackagePlan, 'head' | 'sm3Head'>

/** The newest checkpoints of both trees that are of one size. Throws EVIDENCE_UNSIGNED where there are none, or the tree over SM3 is still being built. */
function commonHeads({ checkpoints, size, sm3 }: Evidence): Heads {
  const newest = newestHead({ checkpoints, size })
  if (sm3 === undefined || sm3.size < Math.min(size, newest.size))
    throw unsigned('the tree over SM3 is not built and signed so far; leave its key away, or ask again')
  const bySize = new Map(sm3.checkpoints.map((checkpoint) => [checkpoint.size, checkpoint]))
  const head = newestHead({ checkpoints: checkpoints.filter((one) => bySize.has(one.size)), size })
  const sm3Head = bySize.get(head.size)
  return sm3Head === undefined ? { head } : { head, sm3Head }
}

async function placesOf(evidence: Evidence, extent: Exclude<Extent, { kind: 'whole' | 'entries' }>): Promise<Places> {
  return extent.kind === 'between' ? evidence.placesBetween(extent.from, extent.to) : extent
}

/**
 * Decides what a package holds: the whole tree, or a part of it that the newest checkpoint proves, and whether of the tree over SM3 too. Throws
 * EVIDENCE_UNSIGNED where something that was asked for lies behind it or nothing was signed, EVIDENCE_EMPTY where no entry is meant.
 */
export async function planPackage(evidence: Evidence, extent: Extent, withSm3 = false): Promise<PackagePlan> {
  const heads = withSm3 ? commonHeads(evidence) : { head: newestHead(evidence) }
  const { head } = heads
  const to = Math.min(evidence.size, withSm3 ? (evidence.sm3?.size ?? 0) : evidence.size)
  if (extent.kind === 'whole') return { kind: 'whole', from: 0, to, indexes: [], ...heads }
  return { ...(await planPart(evidence, extent, head)), ...heads }
}

/** The places of a part. */
async function planPart(
  evidence: Evidence,
  extent: Exclude<Extent, { kind: 'whole' }>,
  head: PublishedCheckpoint,
): Promise<Omit<PackagePlan, keyof Heads>> {
  if (extent.kind === 'entries') {
    const indexes = await evidence.placesOf(extent.entryIds)
    if (indexes.length < new Set(extent.entryIds).size)
      throw new AppError('EVIDENCE_EMPTY', 'an entry is not in the tree')
    if (indexes.some((index) => index >= head.size)) throw unsigned('an entry lies behind the newest checkpoint')
    return { kind: 'entries', from: 0, to: 0, indexes }
  }
  const { from, to } = await placesOf(evidence, extent)
  if (to <= from) throw new AppError('EVIDENCE_EMPTY', 'no entry lies there')
  if (to > head.size) throw unsigned(`entries from ${head.size} on lie behind the newest checkpoint`)
  return { kind: 'range', from, to, indexes: [] }
}

/** How many entries a package holds. */
export const countEntries = ({ kind, from, to, indexes }: PackagePlan): number =>
  kind === 'entries' ? indexes.length : to - from

const indexesOf = (plan: PackagePlan): readonly number[] =>
  plan.kind === 'entries' ? plan.indexes : Array.from({ length: plan.to - plan.from }, (_, place) => plan.from + place)

const hasProofs = (plan: PackagePlan): boolean => plan.kind !== 'whole' && countEntries(plan) <= MOST_PROOFS

const lineOf = ({ index, body, leaf, ...columns }: PlacedEntry): string =>
  JSON.stringify({
    index,
    ...columns,
    leaf: Buffer.from(leaf).toString('hex'),
    body: Buffer.from(body).toString('base64'),
  })

async function* linesOf(entries: AsyncIterable<PlacedEntry>): AsyncGenerator<string> {
  for await (const entry of entries) yield lineOf(entry)
}

const nameOf = ({ level, index }: TilePlace): string => `${level}/${index}`

/** The tiles that prove these places: those of the leaves, those above them, and those of which the signed root is made. */
function neededTiles({ head }: PackagePlan, indexes: readonly number[]): ReadonlySet<string> {
  const needed = new Set(nodesOf({ start: 0, end: head.size }).map((node) => nameOf(tileOf(node))))
  for (const index of indexes) {
    for (let level = 0, place = Math.floor(index / 256); ; level++, place = Math.floor(place / 256)) {
      needed.add(nameOf({ level, index: place }))
      if (place === 0 && 256 ** (level + 1) > head.size) break
    }
    for (const range of inclusionRanges(index, { start: 0, end: head.size }))
      for (const node of nodesOf(range)) needed.add(nameOf(tileOf(node)))
  }
  return needed
}

/** A tree as it lies in a package: where, what of it, and its newest checkpoint. */
interface PackedTree {
  readonly path: string
  readonly hash: TreeAlgorithm
  readonly evidence: TreeEvidence
  readonly head: PublishedCheckpoint
}

/** The trees that a package holds. */
const packedTrees = (evidence: Evidence, { head, sm3Head }: PackagePlan): readonly PackedTree[] => [
  { path: '', hash: 'sha256', evidence, head },
  ...(evidence.sm3 === undefined || sm3Head === undefined
    ? []
    : [{ path: 'sm3/', hash: 'sm3', evidence: evidence.sm3, head: sm3Head } as const]),
]

async function writeTiles(tree: PackedTree, plan: PackagePlan, folder: PackageFolder): Promise<readonly Tile[]> {
  const needed = plan.kind === 'whole' ? null : neededTiles(plan, indexesOf(plan))
  const kept: Tile[] = []
  for await (const tile of tree.evidence.tiles()) {
    const then = tileAt(plan.kind === 'whole' ? plan.to : plan.head.size, tile)
    if (then === null || needed?.has(nameOf(tile)) === false) continue
    folder.write(`${tree.path}${tilePath(then)}`, Buffer.concat([...then.hashes]))
    if (needed !== null) kept.push(then)
  }
  return kept
}

const entriesOf = (evidence: Evidence, plan: PackagePlan): AsyncIterable<PlacedEntry> =>
  plan.kind === 'entries' ? evidence.entriesAt(plan.indexes) : evidence.entries(plan)

function checkpointsOf({ evidence, head }: PackedTree, plan: PackagePlan): string {
  const needed = plan.kind === 'whole' ? evidence.checkpoints : [head]
  return needed.map(({ size, note }) => `${JSON.stringify({ size, note })}\n`).join('')
}

const originOf = (note: string): string | null => readCheckpoint(readNote(note)?.text ?? '')?.origin ?? null

/**
 * Writes a package that a court can judge alone: entries, tiles, proofs, checkpoints and keys, both verifiers, and a manifest with the
 * hashes of all, whose own SHA-256 it returns in hex. It writes what lies there and judges nothing. Throws USAGE_INVALID where the folder is
 * not empty, AUDIT_BROKEN.
 */
export async function writePackage(
  evidence: Evidence,
  plan: PackagePlan,
  options: { readonly folder: string; readonly verifiers: readonly string[]; readonly madeAt: string },
): Promise<string> {
  const folder = openPackage(options.folder)
  folder.write('verifiers.txt', options.verifiers.map((verifier) => `${verifier}\n`).join(''))
  await folder.writeLines('entries.ndjson.gz', linesOf(entriesOf(evidence, plan)))
  const trees = packedTrees(evidence, plan)
  const tiles: (readonly Tile[])[] = []
  for (const tree of trees) {
    folder.write(`${tree.path}checkpoints.ndjson`, checkpointsOf(tree, plan))
    tiles.push(await writeTiles(tree, plan, folder))
  }
  if (hasProofs(plan)) {
    const read = provingReader(tiles[0] ?? [])
    for await (const entry of entriesOf(evidence, plan))
      folder.write(`proofs/${entry.index}.tlog-proof`, writeProof(entry, plan.head, read))
  }
  writeVerifiers(folder)
  const manifest = {
    format: 'gridbridge-audit-package/1',
    kind: plan.kind,
    origin: originOf(plan.head.note),
    madeAt: options.madeAt,
    from: plan.from,
    to: plan.to,
    size: plan.kind === 'whole' ? plan.to : plan.head.size,
    indexes: plan.indexes,
    proofs: hasProofs(plan),
    trees: trees.map(({ path, hash: name }) => ({ path, hash: name })),
    files: await folder.list(),
  }
  const text = `${JSON.stringify(manifest, null, 2)}\n`
  folder.write('manifest.json', text)
  return hash('sha256', text)
}
