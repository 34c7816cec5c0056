import { generateKeyPairSync, hash, sign, createPublicKey, type KeyObject } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { writeCheckpoint } from '../../src/audit/checkpoint.ts'
import { EMPTY_HEAD, makeEntry } from '../../src/audit/entry.ts'
import { hashOf, type ReadNode } from '../../src/audit/merkle.ts'
import { readNote, signNote, writeNote, writeVerifier } from '../../src/audit/note.ts'
import { growTiles, nodeReader } from '../../src/audit/tiles.ts'
import { writePackage } from '../../src/jobs/evidence.ts'
import { createSm2KeyPair, signSm2 } from '../../src/security/sm2.ts'
import type { Evidence, PlacedEntry } from '../../src/store/audit-evidence.ts'
import { alterPackage } from './altered-package.ts'

/** A log of two lanes that was never in a database. */
export function makeEntries(count: number): readonly PlacedEntry[] {
  const lanes = ['00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b']
  const heads: Buffer[] = [EMPTY_HEAD, EMPTY_HEAD]
  return Array.from({ length: count }, (_, index) => {
    const lane = index % 2
    const place = {
      entryId: `00000000-0000-4000-9000-${String(index).padStart(12, '0')}`,
      recordedAt: '2026-11-28T01:02:03.000004Z',
      laneId: lanes[lane] ?? '',
      laneSeq: Math.floor(index / 2) + 1,
      previous: heads[lane] ?? EMPTY_HEAD,
    }
    const event = { type: 'changes.pulled', actor: 'consumer:platform', outcome: 'ok', count: index } as const
    const entry = makeEntry(event, place)
    heads[lane] = entry.leaf
    return { ...place, ...event, ...entry, feed: null, dataset: null, index }
  })
}

export const readerOf = (entries: readonly PlacedEntry[]): ReadNode =>
  nodeReader(
    growTiles(
      0,
      [],
      entries.map(({ leaf }) => Buffer.from(leaf)),
    ),
  )

const ORIGIN = 'audit.example.gov.cn/share/1'

export interface Signing {
  readonly verifier: string
  readonly noteAt: (size: number, root: Buffer) => string
}

export function createSigning(privateKey: KeyObject = generateKeyPairSync('ed25519').privateKey): Signing {
  return {
    verifier: writeVerifier({ name: ORIGIN, publicKey: createPublicKey(privateKey) }),
    noteAt: (size, root) => writeNote(signNote(writeCheckpoint({ origin: ORIGIN, size, root }), ORIGIN, privateKey)),
  }
}

/** A key in the words of C2SP, made by hand from the specification: name, then type and key in Base64. */
function describeKey(name: string, typeAndKey: Buffer): { readonly verifier: string; readonly id: Buffer } {
  const id = hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), typeAndKey]), 'buffer').subarray(0, 4)
  return { id, verifier: `${name}+${id.toString('hex')}+${typeAndKey.toString('base64')}` }
}

/** SM2 over the tree of SM3, signature type 0xff "gm/sm2-sm3/v1". */
export function createSm2Signing(): Signing {
  const name = `${ORIGIN}/sm3`
  const { privateKey, publicKey } = createSm2KeyPair()
  const { id, verifier } = describeKey(
    name,
    Buffer.concat([Buffer.from([0xff]), Buffer.from('gm/sm2-sm3/v1'), publicKey]),
  )
  return {
    verifier,
    noteAt: (size, root) => {
      const text = writeCheckpoint({ origin: name, size, root })
      return writeNote({ text, signatures: [{ name, bytes: Buffer.concat([id, signSm2(privateKey, text)]) }] })
    },
  }
}

/** A witness as C2SP tlog-cosignature has it. */
export function createWitness(): { readonly verifier: string; readonly cosign: (note: string) => string } {
  const name = 'witness.security-office.example'
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)
  const { id, verifier } = describeKey(name, Buffer.concat([Buffer.from([0x04]), raw]))
  return {
    verifier,
    cosign: (note) => {
      const { text, signatures } = readNote(note) ?? { text: '', signatures: [] }
      const time = Buffer.alloc(8)
      time.writeBigUInt64BE(1_764_000_000n)
      const signed = sign(null, Buffer.from(`cosignature/v1\ntime 1764000000\n${text}`), privateKey)
      return writeNote({ text, signatures: [...signatures, { name, bytes: Buffer.concat([id, time, signed]) }] })
    },
  }
}

async function* listed<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  for (const item of items) yield await Promise.resolve(item)
}

/** A package of the whole log, as the product writes one. */
export async function makePackage(
  folder: string,
  entries: readonly PlacedEntry[],
  sizes: readonly number[],
  options: { readonly noteAt: Signing['noteAt']; readonly verifiers: readonly string[] },
): Promise<void> {
  const read = readerOf(entries)
  const checkpoints = sizes.map((size) => ({ size, note: options.noteAt(size, hashOf({ start: 0, end: size }, read)) }))
  const evidence: Evidence = {
    checkpoints,
    size: entries.length,
    placesBetween: async () => ({ from: 0, to: 0 }),
    placesOf: async () => [],
    entries: () => listed(entries),
    entriesAt: () => listed([]),
    tiles: () =>
      listed(
        growTiles(
          0,
          [],
          entries.map(({ leaf }) => Buffer.from(leaf)),
        ),
      ),
  }
  const head = checkpoints.at(-1) ?? { size: 0, note: '' }
  const plan = { kind: 'whole', from: 0, to: entries.length, indexes: [], head } as const
  await writePackage(evidence, plan, { folder, verifiers: options.verifiers, madeAt: '2026-11-28T00:00:00.000Z' })
}

const sm3 = (...parts: readonly Uint8Array[]): Buffer => hash('sm3', Buffer.concat(parts), 'buffer')

/** RFC 6962 §2.1 as it is written there, over SM3. */
function sm3Root(leaves: readonly Buffer[]): Buffer {
  const [first = sm3(), second] = leaves
  if (second === undefined) return first
  const split = 2 ** Math.floor(Math.log2(leaves.length - 1))
  return sm3(Buffer.from([1]), sm3Root(leaves.slice(0, split)), sm3Root(leaves.slice(split)))
}

/** Adds the tree over SM3 to a package of fewer than 256 entries. */
export function addSm3Tree(folder: string, entries: readonly PlacedEntry[], signing: Signing): void {
  const leaves = entries.map(({ body }) => sm3(Buffer.from([0]), body))
  const tiles = path.join(folder, 'sm3/tile/0/000.p')
  mkdirSync(tiles, { recursive: true })
  writeFileSync(path.join(tiles, String(leaves.length)), Buffer.concat(leaves))
  const row = { size: leaves.length, note: signing.noteAt(leaves.length, sm3Root(leaves)) }
  writeFileSync(path.join(folder, 'sm3/checkpoints.ndjson'), `${JSON.stringify(row)}\n`)
  const keys = readFileSync(path.join(folder, 'verifiers.txt'), 'utf8')
  writeFileSync(path.join(folder, 'verifiers.txt'), `${keys}${signing.verifier}\n`)
  alterPackage(folder).reseal((manifest) => {
    manifest['trees'] = [
      { path: '', hash: 'sha256' },
      { path: 'sm3/', hash: 'sm3' },
    ]
  })
}
