import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { canonicalJson, leafHash } from '../../src/audit/entry.ts'
import { writeCheckpoint } from '../../src/audit/checkpoint.ts'
import { hashOf } from '../../src/audit/merkle.ts'
import { signNote, writeNote, type SigningKey } from '../../src/audit/note.ts'
import { growTiles, nodeReader, tilePath } from '../../src/audit/tiles.ts'

export interface PackedLine {
  index: number
  body: string
  leaf: string
  laneId: string
  laneSeq: number
  [column: string]: unknown
}

/** A package that somebody is about to alter. */
export interface AlteredPackage {
  readonly file: (name: string) => string
  readonly edit: (name: string, change: (bytes: Buffer) => Uint8Array | string) => void
  readonly editLines: (change: (lines: PackedLine[]) => PackedLine[]) => void
  readonly remove: (name: string) => void
  readonly cut: (name: string) => void
  /** Makes the manifest fit what lies there now. */
  readonly reseal: (change?: (manifest: Record<string, unknown>) => void) => void
  /** Makes every tile anew of the entries that lie there now, and says the root. */
  readonly rebuild: () => Buffer
  readonly names: () => readonly string[]
}

const ENTRIES = 'entries.ndjson.gz'
const hashed = (algorithm: string, bytes: Buffer): string => createHash(algorithm).update(bytes).digest('hex')

export function alterPackage(folder: string): AlteredPackage {
  const file = (name: string): string => path.join(folder, name)
  const readLines = (): PackedLine[] =>
    gunzipSync(readFileSync(file(ENTRIES)))
      .toString()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as PackedLine)
  const names = (): readonly string[] =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((one) => one.isFile())
      .map((one) => path.relative(folder, path.join(one.parentPath, one.name)))
      .toSorted()
  return {
    file,
    names,
    edit: (name, change) => writeFileSync(file(name), change(readFileSync(file(name)))),
    editLines: (change) => {
      const lines = change(readLines()).map((line) => `${JSON.stringify(line)}\n`)
      writeFileSync(file(ENTRIES), gzipSync(lines.join('')))
    },
    remove: (name) => rmSync(file(name), { recursive: true }),
    cut: (name) => truncateSync(file(name), Math.floor(statSync(file(name)).size / 2)),
    reseal: (change) => {
      const manifest = JSON.parse(readFileSync(file('manifest.json'), 'utf8')) as Record<string, unknown>
      manifest['files'] = names()
        .filter((name) => name !== 'manifest.json')
        .map((name) => {
          const bytes = readFileSync(file(name))
          return { name, bytes: bytes.length, sha256: hashed('sha256', bytes), sm3: hashed('sm3', bytes) }
        })
      change?.(manifest)
      writeFileSync(file('manifest.json'), JSON.stringify(manifest))
    },
    rebuild: () => {
      const leaves = readLines().map(({ body }) => leafHash(Buffer.from(body, 'base64')))
      const tiles = growTiles(0, [], leaves)
      for (const tile of tiles) {
        mkdirSync(path.dirname(file(tilePath(tile))), { recursive: true })
        writeFileSync(file(tilePath(tile)), Buffer.concat([...tile.hashes]))
      }
      return hashOf({ start: 0, end: leaves.length }, nodeReader(tiles))
    },
  }
}

/** The same entry with another object in its body, its column leaf made to fit. */
export function rewriteLine(line: PackedLine, change: Readonly<Record<string, unknown>>): PackedLine {
  const body = JSON.parse(Buffer.from(line.body, 'base64').toString()) as Record<string, unknown>
  const bytes = Buffer.from(canonicalJson({ ...body, ...change } as never))
  return { ...line, body: bytes.toString('base64'), leaf: leafHash(bytes).toString('hex') }
}

/** Rewrites an entry and everything behind it in its lane, so that the lane is whole again. */
export function rewriteLane(lines: readonly PackedLine[], from: number): PackedLine[] {
  const lane = lines[from]?.laneId
  let head = ''
  return lines.map((line, index) => {
    if (line.laneId !== lane || index < from) return line
    const rewritten = rewriteLine(line, index === from ? { object: 'run/1' } : { previous: head })
    head = rewritten.leaf
    return rewritten
  })
}

export const signAgain = (origin: string, size: number, root: Buffer, key: SigningKey): string =>
  writeNote(signNote(writeCheckpoint({ origin, size, root }), origin, key))

export const flipBit = (bytes: Buffer, bit: number): Buffer => {
  const flipped = Buffer.from(bytes)
  const at = Math.floor(bit / 8) % Math.max(1, bytes.length)
  flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit % 8))
  return flipped
}
