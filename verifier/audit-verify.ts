#!/usr/bin/env node
/* oxlint-disable max-lines -- One file on purpose: it is handed out alone and read by people who have nothing else. */
/**
 * audit-verify: judges an evidence package of a GridBridge audit log offline. It runs on Node ≥ 20 with nothing installed, opens no
 * connection, and shares no code with the product on purpose: a second look that repeats no mistake of the first. audit_verify.py is a third,
 * in another language, with the same commands and the same answers.
 *
 * Standards: Merkle tree of RFC 6962, proofs of RFC 9162, C2SP signed-note, tlog-checkpoint, tlog-tiles, tlog-cosignature and tlog-proof,
 * Ed25519 (RFC 8032), SM2 (GB/T 32918.2) over SM3 (GB/T 32905).
 *
 * Exit codes: 0 whole, 1 tampered (the first bad index is named), 2 cannot decide. 2 is never 0.
 */
import * as crypto from 'node:crypto'
import { createReadStream, existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createGunzip } from 'node:zlib'

// ---------------------------------------------------------------------------------------------------------------------- what is answered

const faults = {
  'line-unreadable': ['the line of this entry cannot be read', '该条目所在行无法读取'],
  'entry-missing': ['an entry is missing or out of order here', '此处条目缺失或次序有误'],
  'body-unreadable': ['the body of the entry cannot be read', '条目正文无法读取'],
  'leaf-differs': ['the entry is not the one whose hash lies in the tree', '条目与树中的哈希不符'],
  'column-differs': ['a column is not a copy of the body', '检索列与条目正文不一致'],
  'lane-broken': ['an entry is missing or out of order in its lane', '条目所在通道缺失或次序有误'],
  'lane-rewritten': ['the entry after it follows another one', '后一条目所接续的不是该条目'],
  'root-differs': ['the log is not the one that was signed', '日志与签名的检查点不符'],
  'log-shorter': ['the log is shorter than what was signed', '日志短于已签名的检查点'],
  'tile-differs': ['a tile does not fit the entries', '树的分片与条目不符'],
  'checkpoint-forged': ['a checkpoint is not what the key of the log signed', '检查点并非日志密钥所签'],
  'proof-fails': ['the proof does not lead to the signed root', '证明不能导出已签名的根'],
  'not-continued': ['the newer checkpoint does not continue the older one', '新检查点不是旧检查点的延续'],
  'file-differs': ['a file is not the one that the manifest names', '文件与清单所列哈希不符'],
  'file-missing': ['a file is missing', '缺少文件'],
  'file-unreadable': ['a file cannot be read', '文件无法读取'],
  'key-missing': ['no key was given that any checkpoint is signed by', '未提供可验证检查点的密钥'],
  'anchor-unusable': ['a kept checkpoint is not signed by a key that was given', '留存的检查点不是所给密钥签署'],
  'version-newer': ['entries are of a newer version than this program', '条目版本高于本程序'],
  usage: ['the command was used wrongly', '命令用法有误'],
} as const

type FaultCode = keyof typeof faults

interface Whole {
  readonly state: 'whole'
  readonly [fact: string]: string | number | readonly string[]
}
/** The first bad place is at `index` or behind it and before `upTo`; it is `index` itself where `upTo` is the next. */
interface Tampered {
  readonly state: 'tampered'
  readonly index: number
  readonly upTo: number
  readonly fault: FaultCode
  /** The file that shows it. */
  readonly file: string
}
interface Undecided {
  readonly state: 'undecided'
  readonly fault: FaultCode
  readonly file: string
}
export type Verdict = Whole | Tampered | Undecided

/** What ends the judging at once, because something needed is not there. */
class CannotDecide extends Error {
  readonly verdict: Undecided
  constructor(fault: FaultCode, file: string) {
    super(fault)
    this.verdict = { state: 'undecided', fault, file }
  }
}

const tampered = (fault: FaultCode, index: number, upTo: number, file: string): Tampered => ({
  state: 'tampered',
  index,
  upTo,
  fault,
  file,
})

// -------------------------------------------------------------------------------------------------------------------------- bytes, text

const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Strict base64: what does not spell back to the same text is none. */
function readBase64(text: unknown): Buffer | null {
  if (typeof text !== 'string') return null
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : null
}

function readJson(bytes: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(strictText.decode(bytes))
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}

function readFile(file: string): Buffer {
  if (!existsSync(file)) throw new CannotDecide('file-missing', path.basename(file))
  return readFileSync(file)
}

function readText(file: string): string {
  const bytes = readFile(file)
  try {
    return strictText.decode(bytes)
  } catch {
    throw new CannotDecide('file-unreadable', path.basename(file))
  }
}

const isIndex = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

// -------------------------------------------------------------------------------------------------------------------------- hashes, tree

type HashName = 'sha256' | 'sm3'
const HASH_BYTES = 32

/** Node has the one-shot form since 20.12; it is four times as fast for what is as short as this. */
const oneShot = (crypto as { readonly hash?: (name: string, data: Uint8Array, form: 'buffer') => Buffer }).hash
const digest = (name: HashName, data: Uint8Array): Buffer =>
  oneShot === undefined ? crypto.createHash(name).update(data).digest() : oneShot(name, data, 'buffer')

const LEAF = Buffer.from([0])
const NODE = Buffer.from([1])
const leafHash = (name: HashName, body: Uint8Array): Buffer => digest(name, Buffer.concat([LEAF, body]))
const nodeHash = (name: HashName, left: Uint8Array, right: Uint8Array): Buffer =>
  digest(name, Buffer.concat([NODE, left, right]))

/** The root over perfect subtrees, the largest first. */
function rootOf(name: HashName, subtrees: readonly Buffer[]): Buffer {
  const last = subtrees.at(-1) ?? digest(name, Buffer.alloc(0))
  return subtrees.slice(0, -1).reduceRight((right, left) => nodeHash(name, left, right), last)
}

/** Sizes of the perfect subtrees of a tree, the largest first: the bits of its size. Bitwise operators end at 2³¹. */
function subtreeSizes(size: number): readonly number[] {
  const sizes: number[] = []
  for (let rest = size, power = 2 ** Math.ceil(Math.log2(size + 1)); power >= 1; power /= 2) {
    if (power > rest) continue
    sizes.push(power)
    rest -= power
  }
  return sizes
}

interface GrowingTree {
  readonly add: (leaf: Buffer) => void
  readonly root: () => Buffer
}

/** A tree that keeps its perfect subtrees alone. `onTile` gets every hash that stands in a tile: leaves, and the root of each 256 of them. */
function createTree(
  name: HashName,
  begun: { readonly size: number; readonly hashes: readonly Buffer[] },
  onTile: (level: number, hash: Buffer) => void,
): GrowingTree {
  const levels = subtreeSizes(begun.size).map((size) => Math.log2(size))
  const stack = begun.hashes.map((hash, place) => ({ level: levels[place] ?? 0, hash }))
  return {
    add: (leaf) => {
      let added = { level: 0, hash: leaf }
      onTile(0, leaf)
      for (let last = stack.at(-1); last?.level === added.level; last = stack.at(-1)) {
        stack.pop()
        added = { level: added.level + 1, hash: nodeHash(name, last.hash, added.hash) }
        if (added.level % 8 === 0) onTile(added.level / 8, added.hash)
      }
      stack.push(added)
    },
    root: () =>
      rootOf(
        name,
        stack.map(({ hash }) => hash),
      ),
  }
}

/** The root that a leaf and its path lead to, RFC 9162 §2.1.3.2; null where the path cannot be one of this leaf. */
function rootByPath(
  name: HashName,
  leaf: { readonly index: number; readonly hash: Buffer },
  size: number,
  proof: readonly Buffer[],
): Buffer | null {
  if (leaf.index >= size) return null
  let root = leaf.hash
  let place = leaf.index
  let last = size - 1
  for (const step of proof) {
    if (last === 0) return null
    if (place % 2 === 1) root = nodeHash(name, step, root)
    else if (place === last) {
      root = nodeHash(name, step, root)
      while (place % 2 === 0 && place !== 0) [place, last] = [half(place), half(last)]
    } else root = nodeHash(name, root, step)
    ;[place, last] = [half(place), half(last)]
  }
  return last === 0 ? root : null
}

const half = (value: number): number => Math.floor(value / 2)

/** Both roots that a consistency proof leads to, RFC 9162 §2.1.4.2; null where it cannot be one of these sizes. */
function rootsByConsistency(
  name: HashName,
  older: Checkpoint,
  newer: Checkpoint,
  given: readonly Buffer[],
): { readonly older: Buffer; readonly newer: Buffer } | null {
  const isPerfect = subtreeSizes(older.size).length === 1
  const [first, ...rest] = isPerfect ? [older.root, ...given] : given
  if (first === undefined) return null
  let place = older.size - 1
  let last = newer.size - 1
  while (place % 2 === 1) [place, last] = [half(place), half(last)]
  const roots = { older: first, newer: first }
  for (const step of rest) {
    if (last === 0) return null
    if (place % 2 === 1 || place === last) {
      roots.older = nodeHash(name, step, roots.older)
      roots.newer = nodeHash(name, step, roots.newer)
      while (place % 2 === 0 && place !== 0) [place, last] = [half(place), half(last)]
    } else roots.newer = nodeHash(name, roots.newer, step)
    ;[place, last] = [half(place), half(last)]
  }
  return last === 0 ? roots : null
}

const TILE_HASHES = 256

/** Where C2SP tlog-tiles has a tile: the index in threes of digits, a tile that is not full with its width. */
function tilePath(level: number, index: number, width: number): string {
  const three = (value: number): string => String(value % 1000).padStart(3, '0')
  let name = three(index)
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) name = `x${three(rest)}/${name}`
  return `tile/${level}/${name}${width < TILE_HASHES ? `.p/${width}` : ''}`
}

// ---------------------------------------------------------------------------------------------------------------------------------- SM2

const SM2_P = 0xfffffffe_ffffffff_ffffffff_ffffffff_ffffffff_00000000_ffffffff_ffffffffn
const SM2_A = SM2_P - 3n
const SM2_B = 0x28e9fa9e_9d9f5e34_4d5a9e4b_cf6509a7_f39789f5_15ab8f92_ddbcbd41_4d940e93n
const SM2_N = 0xfffffffe_ffffffff_ffffffff_ffffffff_7203df6b_21c6052b_53bbf409_39d54123n
const SM2_G: Point = {
  x: 0x32c4ae2c_1f198119_5f990446_6a39c994_8fe30bbf_f2660be1_715a4589_334c74c7n,
  y: 0xbc3736a2_f4f6779c_59bdcee3_6b692153_d0a9877c_c62a4740_02df32e5_2139f0a0n,
}
/** The default identity of GB/T 35276 §10. */
const SM2_IDENTITY = Buffer.from('1234567812345678')

interface Point {
  readonly x: bigint
  readonly y: bigint
}

const toNumber = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
const toBytes = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
const modulo = (value: bigint, of: bigint): bigint => ((value % of) + of) % of

function inverse(value: bigint, of: bigint): bigint {
  let [before, now] = [modulo(value, of), of]
  let [one, other] = [1n, 0n]
  while (now !== 0n) {
    const times = before / now
    ;[before, now] = [now, before - times * now]
    ;[one, other] = [other, one - times * other]
  }
  return modulo(one, of)
}

/** Null is the point at infinity. Affine on purpose: there is one signature for each checkpoint and the formulas are those of the standard. */
function addPoints(one: Point | null, other: Point | null): Point | null {
  if (one === null || other === null) return one ?? other
  if (one.x === other.x && modulo(one.y + other.y, SM2_P) === 0n) return null
  const slope =
    one.x === other.x
      ? (3n * one.x * one.x + SM2_A) * inverse(2n * one.y, SM2_P)
      : (other.y - one.y) * inverse(other.x - one.x, SM2_P)
  const x = modulo(slope * slope - one.x - other.x, SM2_P)
  return { x, y: modulo(slope * (one.x - x) - one.y, SM2_P) }
}

function multiply(times: bigint, point: Point): Point | null {
  let sum: Point | null = null
  let doubled: Point | null = point
  for (let rest = times; rest > 0n; rest >>= 1n) {
    if (rest % 2n === 1n) sum = addPoints(sum, doubled)
    doubled = addPoints(doubled, doubled)
  }
  return sum
}

/** Whether r ‖ s is a signature of the message under the 65 bytes of a public key, GB/T 32918.2-2016 §7. */
export function isSignedBySm2(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
  identity: Uint8Array = SM2_IDENTITY,
): boolean {
  if (publicKey.length !== 65 || publicKey[0] !== 4 || signature.length !== 64) return false
  const key = { x: toNumber(publicKey.subarray(1, 33)), y: toNumber(publicKey.subarray(33)) }
  const isOnCurve = modulo(key.y * key.y - (key.x * key.x * key.x + SM2_A * key.x + SM2_B), SM2_P) === 0n
  const [r, s] = [toNumber(signature.subarray(0, 32)), toNumber(signature.subarray(32))]
  const t = modulo(r + s, SM2_N)
  if (key.x >= SM2_P || key.y >= SM2_P || !isOnCurve) return false
  if (r < 1n || r >= SM2_N || s < 1n || s >= SM2_N || t === 0n) return false
  const bits = Buffer.from([(identity.length * 8) >> 8, (identity.length * 8) & 255])
  const curve = [SM2_A, SM2_B, SM2_G.x, SM2_G.y, key.x, key.y].map(toBytes)
  const signer = digest('sm3', Buffer.concat([bits, identity, ...curve]))
  const hashed = toNumber(digest('sm3', Buffer.concat([signer, message])))
  const point = addPoints(multiply(s, SM2_G), multiply(t, key))
  return point !== null && modulo(hashed + point.x, SM2_N) === r
}

// ------------------------------------------------------------------------------------------------------------------- keys, notes, checkpoints

const SM2_TYPE = Buffer.concat([Buffer.from([0xff]), Buffer.from('gm/sm2-sm3/v1')])

/** Kinds of keys by what they begin with. A log key says which hash its tree has; a witness signs checkpoints of both. */
const keyKinds = [
  { kind: 'ed25519', prefix: Buffer.from([0x01]), bytes: 32, tree: 'sha256' },
  { kind: 'cosignature', prefix: Buffer.from([0x04]), bytes: 32, tree: null },
  { kind: 'sm2', prefix: SM2_TYPE, bytes: 65, tree: 'sm3' },
] as const

interface Key {
  readonly name: string
  readonly id: Buffer
  readonly kind: (typeof keyKinds)[number]['kind']
  readonly tree: HashName | null
  readonly bytes: Buffer
}

/** Reads `name+id+key`; null for anything else. */
function readKey(text: string): Key | null {
  const [, name, id, encoded] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(text) ?? []
  const data = readBase64(encoded)
  if (name === undefined || data === null) return null
  const found = keyKinds.find(
    ({ prefix, bytes }) => data.length === prefix.length + bytes && data.indexOf(prefix) === 0,
  )
  if (found === undefined) return null
  const keyId = digest('sha256', Buffer.concat([Buffer.from(`${name}\n`), data])).subarray(0, 4)
  if (keyId.toString('hex') !== id) return null
  return { name, id: keyId, kind: found.kind, tree: found.tree, bytes: data.subarray(found.prefix.length) }
}

/** The start of every Ed25519 SubjectPublicKeyInfo, RFC 8410 §4. */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

function isSignedByEd25519(publicKey: Buffer, message: Buffer, signature: Buffer): boolean {
  const key = crypto.createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' })
  return signature.length === 64 && crypto.verify(null, message, key, signature)
}

const isSigned: Readonly<Record<Key['kind'], (key: Buffer, text: string, signature: Buffer) => boolean>> = {
  ed25519: (key, text, signature) => isSignedByEd25519(key, Buffer.from(text), signature),
  // The time goes before the checkpoint into what is signed, C2SP tlog-cosignature.
  cosignature: (key, text, signature) => {
    if (signature.length !== 72) return false
    const message = `cosignature/v1\ntime ${signature.readBigUInt64BE(0)}\n${text}`
    return isSignedByEd25519(key, Buffer.from(message), signature.subarray(8))
  },
  sm2: (key, text, signature) => isSignedBySm2(key, Buffer.from(text), signature),
}

interface Note {
  readonly text: string
  readonly signatures: readonly { readonly name: string; readonly bytes: Buffer }[]
}

function readNote(note: string): Note | null {
  const end = note.lastIndexOf('\n\n')
  if (end < 0 || !note.endsWith('\n')) return null
  const signatures: { name: string; bytes: Buffer }[] = []
  for (const line of note.slice(end + 2, -1).split('\n')) {
    const [, name, encoded] = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? []
    const bytes = readBase64(encoded)
    if (name === undefined || bytes === null || bytes.length < 5) return null
    signatures.push({ name, bytes })
  }
  return { text: note.slice(0, end + 1), signatures }
}

interface Checkpoint {
  readonly origin: string
  readonly size: number
  readonly root: Buffer
  readonly tree: HashName
  /** How many witnesses among the given keys signed it too. */
  readonly cosigned: number
}

type JudgedNote = Checkpoint | 'forged' | 'foreign'

/** A checkpoint that is signed by the key of its log; `forged`: not what a known key signed; `foreign`: no known key signed it at all. */
function judgeNote(note: string, keys: readonly Key[]): JudgedNote {
  const read = readNote(note)
  const [, origin, size, encoded] =
    /^([^\s+]+)\n(0|[1-9][0-9]{0,14})\n([A-Za-z0-9+/]{43}=)\n$/.exec(read?.text ?? '') ?? []
  const root = readBase64(encoded)
  if (read === null || origin === undefined || root === null) return 'foreign'
  const known = read.signatures.flatMap(({ name, bytes }) =>
    keys.filter((key) => key.name === name && key.id.equals(bytes.subarray(0, 4))).map((key) => ({ key, bytes })),
  )
  if (!known.every(({ key, bytes }) => isSigned[key.kind](key.bytes, read.text, bytes.subarray(4)))) return 'forged'
  const tree = known.find(({ key }) => key.name === origin && key.tree !== null)?.key.tree ?? null
  if (tree === null) return 'foreign'
  return { origin, size: Number(size), root, tree, cosigned: known.filter(({ key }) => key.tree === null).length }
}

/** Keys that were given, as texts or as files of such lines; else those that lie beside the evidence. */
function readKeys(given: readonly string[], beside: string): readonly Key[] {
  const places = given.length > 0 ? given : [path.join(beside, 'verifiers.txt')]
  const texts = places.flatMap((place) =>
    given.length > 0 && !existsSync(place) ? [place] : readText(place).split('\n'),
  )
  const keys = texts.filter((text) => text.trim() !== '').map((text) => readKey(text.trim()))
  if (keys.length === 0 || keys.includes(null)) throw new CannotDecide('key-missing', 'verifiers.txt')
  return keys.filter((key) => key !== null)
}

// ---------------------------------------------------------------------------------------------------------------------- package: what it is

interface Manifest {
  /** `whole`: all entries of [from, to); `range`: those of [from, to) beside a tree of `size`; `entries`: the indexes alone. */
  readonly kind: 'whole' | 'range' | 'entries'
  readonly from: number
  readonly to: number
  readonly size: number
  readonly indexes: readonly number[]
  readonly proofs: boolean
  readonly trees: readonly { readonly path: string; readonly hash: HashName }[]
  readonly files: readonly {
    readonly name: string
    readonly bytes: number
    readonly sha256: string
    readonly sm3: string
  }[]
}

const treePaths: Readonly<Record<string, HashName>> = { '': 'sha256', 'sm3/': 'sm3' }

function readManifest(folder: string): Manifest {
  const read = readJson(readFile(path.join(folder, 'manifest.json'))) as Partial<Manifest> | null
  const isRead =
    read !== null &&
    (read as { format?: unknown }).format === 'gridbridge-audit-package/1' &&
    ['whole', 'range', 'entries'].includes(read.kind ?? '') &&
    [read.from, read.to, read.size].every(isIndex) &&
    Array.isArray(read.indexes) &&
    read.indexes.every(isIndex) &&
    typeof read.proofs === 'boolean' &&
    Array.isArray(read.trees) &&
    read.trees.length > 0 &&
    read.trees.every((tree) => Object.hasOwn(treePaths, tree.path) && treePaths[tree.path] === tree.hash) &&
    Array.isArray(read.files) &&
    read.files.every(({ name, bytes }) => /^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/.test(name) && isIndex(bytes))
  if (!isRead) throw new CannotDecide('file-unreadable', 'manifest.json')
  return read as Manifest
}

/** Files of the manifest that are not there, and the first that is another one. What nobody listed counts for nothing. */
async function checkFiles(folder: string, { files }: Manifest): Promise<Verdict | null> {
  let different: Verdict | null = null
  for (const { name, bytes, sha256, sm3 } of files) {
    const file = path.join(folder, name)
    if (!existsSync(file)) return { state: 'undecided', fault: 'file-missing', file: name }
    const hashes = [crypto.createHash('sha256'), crypto.createHash('sm3')]
    for await (const chunk of createReadStream(file)) for (const hash of hashes) hash.update(chunk as Buffer)
    const [one, other] = hashes.map((hash) => hash.digest('hex'))
    if (statSync(file).size !== bytes || one !== sha256 || other !== sm3)
      different ??= tampered('file-differs', 0, 0, name)
  }
  return different
}

interface Line {
  readonly index: number
  readonly body: Buffer
  readonly columns: Readonly<Record<string, unknown>>
}

/** Lines of the packed entries, many at once. A file that is not packed rightly is damaged and proves nothing. */
async function* readLines(file: string): AsyncGenerator<readonly Buffer[]> {
  if (!existsSync(file)) throw new CannotDecide('file-missing', path.basename(file))
  const unpacked = createReadStream(file, { highWaterMark: 1 << 20 }).pipe(createGunzip({ chunkSize: 1 << 20 }))
  let rest: Buffer = Buffer.alloc(0)
  try {
    for await (const chunk of unpacked) {
      const bytes = Buffer.concat([rest, chunk as Buffer])
      const lines: Buffer[] = []
      let from = 0
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
        lines.push(bytes.subarray(from, end))
        from = end + 1
      }
      rest = bytes.subarray(from)
      yield lines
    }
  } catch (error) {
    if (error instanceof CannotDecide) throw error
    throw new CannotDecide('file-unreadable', path.basename(file))
  }
  if (rest.length > 0) yield [rest]
}

function readLine(bytes: Buffer): Line | null {
  const columns = readJson(bytes)
  const body = readBase64(columns?.['body'])
  const index = columns?.['index']
  return columns === null || body === null || !isIndex(index) ? null : { index, body, columns }
}

// ----------------------------------------------------------------------------------------------------------------------- entries and lanes

const copies = ['laneId', 'laneSeq', 'entryId', 'recordedAt', 'type', 'actor', 'outcome'] as const
const optionalCopies = ['feed', 'dataset', 'count'] as const
const FIRST = '0'.repeat(64)

interface Lane {
  readonly seq: number
  readonly index: number
  readonly head: string
}

interface EntryCheck {
  /** The first place that is known to be bad. */
  readonly first: () => Tampered | null
  readonly add: (line: Line, leaf: Buffer, good: number) => void
  readonly note: (fault: FaultCode, index: number) => void
  readonly lanes: () => number
  readonly isNewer: () => boolean
}

const ENTRIES = 'entries.ndjson.gz'

/** Checks entries against their own body and against the one before in their lane. `isDense`: no entry between them may be missing. */
function createEntryCheck(isDense: boolean, begun: ReadonlyMap<string, Lane>, beginsAtFirst: boolean): EntryCheck {
  const lanes = new Map(begun)
  /** Places whose tile has another hash, and pairs of which the later one does not follow the earlier. */
  const different = new Set<number>()
  const partings: { readonly before: number; readonly after: number }[] = []
  let first: Tampered | null = null
  let isNewer = false
  const note = (fault: FaultCode, index: number): void => {
    if (fault === 'leaf-differs') different.add(index)
    // That a tile still has another hash than the body of its place says most.
    const isBetter = first === null || index < first.index || (index === first.index && fault === 'leaf-differs')
    if (isBetter) first = tampered(fault, index, index + 1, ENTRIES)
  }
  /** Where two part, the earlier was rewritten, unless the later one is known to be. To be asked once every tile was seen. */
  const earliest = (): Tampered | null => {
    for (const { before, after } of partings) {
      if (different.has(after) || (first !== null && before >= first.index)) continue
      first = tampered('lane-rewritten', before, before + 1, ENTRIES)
    }
    return first
  }
  return {
    first: earliest,
    note,
    lanes: () => lanes.size,
    isNewer: () => isNewer,
    add: ({ index, body, columns }, leaf, good) => {
      const parsed = readJson(body)
      if (parsed === null) return note('body-unreadable', index)
      if (parsed['v'] !== 1) isNewer = true
      const isCopied =
        copies.every((name) => columns[name] === parsed[name]) &&
        optionalCopies.every((name) => (columns[name] ?? null) === (parsed[name] ?? null))
      const hash = leaf.toString('hex')
      if (!isCopied || columns['leaf'] !== hash) note('column-differs', index)
      const { laneId, laneSeq, previous } = parsed
      if (typeof laneId !== 'string' || !isIndex(laneSeq)) return note('column-differs', index)
      const before = lanes.get(laneId)
      lanes.set(laneId, { seq: laneSeq, index, head: hash })
      if (before === undefined) {
        if (laneSeq === 1 ? previous !== FIRST : beginsAtFirst) note('lane-broken', index)
      } else if (laneSeq <= before.seq || (isDense && laneSeq !== before.seq + 1)) note('lane-broken', index)
      // What a checkpoint has confirmed is not what was rewritten: then it is the one that names another before it.
      else if (laneSeq === before.seq + 1 && previous !== before.head)
        partings.push({ before: before.index < good ? index : before.index, after: index })
    },
  }
}

// ------------------------------------------------------------------------------------------------------------------- whole log: build it anew

interface TreeState {
  readonly minIndex: number
  readonly hashes: readonly Buffer[]
  readonly lanes: ReadonlyMap<string, Lane> | null
}

const NOTHING: TreeState = { minIndex: 0, hashes: [], lanes: new Map() }

interface TreeCheck {
  readonly hash: HashName
  readonly add: (leaf: Buffer) => void
  /** How far the tree is known to be as it was signed. */
  readonly good: () => number
  readonly end: (size: number) => void
  readonly contradiction: () => Tampered | null
  readonly tile: () => Tampered | null
  readonly missing: () => string | null
}

/** Builds one tree and compares it with its tiles and with every checkpoint, in the order of their sizes. */
function createTreeCheck(
  folder: string,
  where: { readonly path: string; readonly hash: HashName },
  state: TreeState,
  heads: readonly Checkpoint[],
  noteLeaf: (index: number) => void,
): TreeCheck {
  const sorted = heads.filter(({ size }) => size >= state.minIndex).toSorted((one, other) => one.size - other.size)
  const levels: { count: number; hashes: Buffer[] }[] = []
  let size = state.minIndex
  let good = state.minIndex
  let next = 0
  let contradiction: Tampered | null = null
  let tile: Tampered | null = null
  let missing: string | null = null

  const compareTile = (level: number, first: number, hashes: readonly Buffer[]): void => {
    const name = `${where.path}${tilePath(level, Math.floor(first / TILE_HASHES), hashes.length)}`
    const file = path.join(folder, name)
    if (!existsSync(file)) {
      missing ??= name
      return
    }
    const written = readFileSync(file)
    const built = Buffer.concat(hashes)
    if (written.equals(built)) return
    const places = [...hashes.keys()].filter((at) => !hashes[at]?.equals(written.subarray(at * 32, at * 32 + 32)))
    const span = TILE_HASHES ** level
    const index = (first + (places[0] ?? 0)) * span
    if (level === 0 && places.length > 0) for (const at of places) noteLeaf(first + at)
    else if (tile === null || index < tile.index) tile = tampered('tile-differs', index, index + span, name)
  }
  const onTile = (level: number, hash: Buffer): void => {
    const begun = Math.floor(state.minIndex / TILE_HASHES ** level)
    const row = (levels[level] ??= { count: begun, hashes: [] })
    row.hashes.push(hash)
    row.count += 1
    if (row.count % TILE_HASHES !== 0) return
    if (row.hashes.length === TILE_HASHES) compareTile(level, row.count - TILE_HASHES, row.hashes)
    row.hashes = []
  }
  const tree = createTree(where.hash, { size: state.minIndex, hashes: state.hashes }, onTile)
  const compareHeads = (): void => {
    for (; sorted[next]?.size === size; next++) {
      if (tree.root().equals(sorted[next]?.root ?? LEAF)) good = size
      else contradiction ??= tampered('root-differs', good, size, `${where.path}checkpoints.ndjson`)
    }
  }
  compareHeads()
  return {
    hash: where.hash,
    add: (leaf) => {
      tree.add(leaf)
      size += 1
      compareHeads()
    },
    good: () => good,
    end: (end) => {
      // A tile that began before what is there cannot be compared whole.
      for (const [level, { count, hashes }] of levels.entries()) {
        if (hashes.length > 0 && hashes.length === count % TILE_HASHES)
          compareTile(level, count - hashes.length, hashes)
      }
      // What was left behind the last checkpoint that fits may be another thing than the beginning of what was there.
      if (next < sorted.length)
        contradiction ??= tampered('log-shorter', good, end + 1, `${where.path}checkpoints.ndjson`)
    },
    contradiction: () => contradiction,
    tile: () => tile,
    missing: () => missing,
  }
}

interface Heads {
  readonly good: readonly Checkpoint[]
  /** The first that is not what it should be. */
  readonly bad: Tampered | null
}

/** The checkpoints that lie in a package; those that are not signed rightly are told apart. */
function readHeads(
  folder: string,
  where: { readonly path: string; readonly hash: HashName },
  keys: readonly Key[],
  anchors: readonly Checkpoint[],
): Heads {
  const name = `${where.path}checkpoints.ndjson`
  const lines = readFile(path.join(folder, name)).toString('latin1').split('\n')
  const good: Checkpoint[] = []
  let bad: Tampered | null = null
  let isForged = false
  for (const [place, line] of lines.entries()) {
    if (line === '' && place === lines.length - 1) continue
    const row = readJson(Buffer.from(line, 'latin1'))
    const size = isIndex(row?.['size']) ? row['size'] : 0
    const judged = typeof row?.['note'] === 'string' ? judgeNote(row['note'], keys) : 'foreign'
    if (typeof judged === 'object' && judged.size === size && judged.tree === where.hash) good.push(judged)
    else if (bad === null || size < bad.index) bad = tampered('checkpoint-forged', size, size, name)
    if (judged === 'forged') isForged = true
  }
  // Nothing is known of a log of which no checkpoint is signed by what was given: it may be the key that is the wrong one.
  const isKnown = isForged || anchors.some(({ tree }) => tree === where.hash)
  if (good.length === 0 && !isKnown) throw new CannotDecide('key-missing', name)
  return { good, bad }
}

/** Faults that name the first bad entry itself. The others show that it is there or before it, once the tree was made to fit. */
const exact: readonly FaultCode[] = ['leaf-differs', 'entry-missing', 'line-unreadable']

/**
 * The first place that is bad, as narrowly as it is known: the entry itself where its tile has what was signed, else from the last checkpoint
 * that fits up to where something shows.
 */
function firstOf(pinned: Tampered | null, contradictions: readonly (Tampered | null)[]): Tampered | null {
  const found = contradictions.filter((one) => one !== null)
  const [open] = found.toSorted((one, other) => one.upTo - other.upTo || one.index - other.index)
  if (pinned === null || open === undefined) return pinned ?? open ?? null
  if (pinned.index >= open.upTo) return open
  const isNamed = exact.includes(pinned.fault) || pinned.index <= open.index
  return isNamed ? pinned : { ...pinned, index: open.index }
}

async function verifyWhole(
  folder: string,
  manifest: Manifest,
  keys: readonly Key[],
  anchors: readonly Checkpoint[],
  state: TreeState,
): Promise<Verdict> {
  if (manifest.from !== state.minIndex) throw new CannotDecide('file-missing', 'state')
  const heads = manifest.trees.map((tree) => readHeads(folder, tree, keys, anchors))
  const entries = createEntryCheck(true, state.lanes ?? new Map(), state.lanes !== null)
  const trees = manifest.trees.map((tree, place) => {
    const kept = anchors.filter((anchor) => anchor.tree === tree.hash)
    return createTreeCheck(folder, tree, state, [...(heads[place]?.good ?? []), ...kept], (index) =>
      entries.note('leaf-differs', index),
    )
  })
  const size = await buildTrees(folder, manifest, entries, trees)
  const wrong =
    firstOf(
      entries.first(),
      trees.map((tree) => tree.contradiction()),
    ) ??
    trees.map((tree) => tree.tile()).find((tile) => tile !== null) ??
    heads.map(({ bad }) => bad).find((bad) => bad !== null)
  if (wrong !== undefined && wrong !== null) return wrong
  const missing = trees.map((tree) => tree.missing()).find((name) => name !== null)
  if (missing !== undefined && missing !== null) throw new CannotDecide('file-missing', missing)
  if (entries.isNewer()) throw new CannotDecide('version-newer', ENTRIES)
  const all = heads.flatMap(({ good }) => good)
  return {
    state: 'whole',
    entries: size - manifest.from,
    lanes: entries.lanes(),
    checkpoints: all.length,
    anchors: anchors.length,
    signed: Math.max(...trees.map((tree) => tree.good())),
    cosigned: Math.max(0, ...all.filter(({ cosigned }) => cosigned > 0).map((head) => head.size)),
    trees: manifest.trees.map(({ hash }) => hash),
  }
}

/** Reads every entry and grows the trees by it, up to the first place from which on nothing more can be told. Returns the size. */
async function buildTrees(
  folder: string,
  { from, to }: Manifest,
  entries: EntryCheck,
  trees: readonly TreeCheck[],
): Promise<number> {
  let size = from
  let isBroken = false
  for await (const lines of readLines(path.join(folder, ENTRIES))) {
    // Read to its end all the same: a file that is damaged further on proves nothing, wherever that is.
    if (isBroken) continue
    for (const bytes of lines) {
      const line = readLine(bytes)
      if (line === null || line.index !== size) {
        entries.note(line === null ? 'line-unreadable' : 'entry-missing', Math.min(size, line?.index ?? size))
        isBroken = true
        break
      }
      const leaves = trees.map((tree) => leafHash(tree.hash, line.body))
      for (const [place, tree] of trees.entries()) tree.add(leaves[place] ?? LEAF)
      const leaf = leaves[trees.findIndex((tree) => tree.hash === 'sha256')] ?? leafHash('sha256', line.body)
      entries.add(line, leaf, Math.max(...trees.map((tree) => tree.good())))
      size += 1
    }
  }
  if (!isBroken && size < to) entries.note('entry-missing', size)
  for (const tree of trees) tree.end(size)
  return size
}

// ------------------------------------------------------------------------------------------------------------ part of a log: by its tiles

interface TileReader {
  /** Hashes of the tile that has this node of the lowest level of tiles, checked against what was signed. */
  readonly leaf: (index: number) => Buffer | null
}

/** Tiles of a signed tree. The root is built of the last tiles; each other tile has to fit the hash that its parent has of it. */
function createTileReader(
  folder: string,
  where: { readonly path: string; readonly hash: HashName },
  head: Checkpoint,
): TileReader {
  const tiles = new Map<string, Buffer>()
  const widthOf = (level: number, index: number): number =>
    Math.min(TILE_HASHES, Math.floor(head.size / TILE_HASHES ** level) - index * TILE_HASHES)
  const read = (level: number, index: number): Buffer => {
    const name = `${where.path}${tilePath(level, index, widthOf(level, index))}`
    const known = tiles.get(name)
    if (known !== undefined) return known
    const file = path.join(folder, name)
    if (!existsSync(file)) throw new CannotDecide('file-missing', name)
    const bytes = readFileSync(file)
    if (bytes.length !== widthOf(level, index) * HASH_BYTES) throw new CannotDecide('file-unreadable', name)
    tiles.set(name, bytes)
    return bytes
  }
  const fold = (hashes: Buffer): Buffer =>
    hashes.length === HASH_BYTES
      ? hashes
      : nodeHash(where.hash, fold(hashes.subarray(0, hashes.length / 2)), fold(hashes.subarray(hashes.length / 2)))
  const hashAt = (level: number, place: number): Buffer => {
    const from = (place % TILE_HASHES) * HASH_BYTES
    return read(level, Math.floor(place / TILE_HASHES)).subarray(from, from + HASH_BYTES)
  }
  const root = (): Buffer => {
    let before = 0
    const subtrees = subtreeSizes(head.size).map((size) => {
      const level = Math.floor(Math.log2(size) / 8)
      const span = TILE_HASHES ** level
      const first = before / span
      before += size
      const from = (first % TILE_HASHES) * HASH_BYTES
      const bytes = read(level, Math.floor(first / TILE_HASHES)).subarray(from, from + (size / span) * HASH_BYTES)
      return fold(bytes)
    })
    return rootOf(where.hash, subtrees)
  }
  const isRooted = root().equals(head.root)
  /** Whether every tile above this one has the hash that is made of it. A tile that is not full lies at the edge of which the root is made. */
  const checked = new Map<string, boolean>()
  const holds = (level: number, index: number): boolean => {
    const name = `${level}/${index}`
    const known = checked.get(name)
    if (known !== undefined) return known
    const isFull = widthOf(level, index) === TILE_HASHES
    const held = isFull
      ? fold(read(level, index)).equals(hashAt(level + 1, index)) && holds(level + 1, Math.floor(index / TILE_HASHES))
      : isRooted
    checked.set(name, held)
    return held
  }
  return { leaf: (index) => (holds(0, Math.floor(index / TILE_HASHES)) ? hashAt(0, index) : null) }
}

async function verifyPart(
  folder: string,
  manifest: Manifest,
  keys: readonly Key[],
  anchors: readonly Checkpoint[],
): Promise<Verdict> {
  const trees = manifest.trees.map((tree) => {
    const heads = readHeads(folder, tree, keys, anchors)
    const kept = anchors.filter((anchor) => anchor.tree === tree.hash)
    const head = [...heads.good, ...kept].find(({ size }) => size === manifest.size)
    if (head === undefined && heads.bad === null)
      throw new CannotDecide('file-missing', `${tree.path}checkpoints.ndjson`)
    const reader = head === undefined ? null : createTileReader(folder, tree, head)
    return { ...tree, heads, head, reader }
  })
  const bad = trees.map(({ heads }) => heads.bad).find((one) => one !== null)
  const entries = createEntryCheck(manifest.kind === 'range', new Map(), false)
  const wanted =
    manifest.kind === 'entries'
      ? manifest.indexes
      : Array.from({ length: Math.max(0, manifest.to - manifest.from) }, (_, place) => manifest.from + place)
  let tile: Tampered | null = null
  let count = 0
  let isBroken = false
  for await (const lines of readLines(path.join(folder, ENTRIES))) {
    if (isBroken) continue
    for (const bytes of lines) {
      const line = readLine(bytes)
      const at = wanted[count] ?? manifest.size
      if (line === null || line.index !== at) {
        entries.note(line === null ? 'line-unreadable' : 'entry-missing', Math.min(at, line?.index ?? at))
        isBroken = true
        break
      }
      for (const tree of trees) {
        const signed = tree.reader === null ? null : line.index < manifest.size ? tree.reader.leaf(line.index) : LEAF
        const first = Math.floor(line.index / TILE_HASHES) * TILE_HASHES
        if (signed === null)
          tile ??= tampered('tile-differs', first, Math.min(first + TILE_HASHES, manifest.size), `${tree.path}tile`)
        else if (!signed.equals(leafHash(tree.hash, line.body))) entries.note('leaf-differs', line.index)
      }
      entries.add(line, leafHash('sha256', line.body), 0)
      count += 1
    }
  }
  if (!isBroken && count < wanted.length) entries.note('entry-missing', wanted[count] ?? manifest.size)
  const wrong = entries.first() ?? bad ?? tile ?? (manifest.proofs ? checkProofs(folder, wanted, keys) : null)
  if (wrong !== null) return wrong
  if (entries.isNewer()) throw new CannotDecide('version-newer', ENTRIES)
  return {
    state: 'whole',
    entries: count,
    lanes: entries.lanes(),
    checkpoints: trees.reduce((sum, { heads }) => sum + heads.good.length, 0),
    anchors: anchors.length,
    signed: manifest.size,
    cosigned: Math.max(0, ...trees.map(({ head }) => ((head?.cosigned ?? 0) > 0 ? manifest.size : 0))),
    trees: manifest.trees.map(({ hash }) => hash),
  }
}

function checkProofs(folder: string, indexes: readonly number[], keys: readonly Key[]): Tampered | null {
  // They all have one checkpoint.
  const heads = new Map<string, JudgedNote>()
  const judgeOnce = (note: string): JudgedNote => {
    const judged = heads.get(note) ?? judgeNote(note, keys)
    heads.set(note, judged)
    return judged
  }
  for (const index of indexes) {
    const name = `proofs/${index}.tlog-proof`
    const verdict = judgeProof(readText(path.join(folder, name)), name, judgeOnce)
    if (verdict.state === 'undecided') throw new CannotDecide(verdict.fault, name)
    if (verdict.state === 'tampered') return verdict
    if (verdict['index'] !== index) return tampered('proof-fails', index, index + 1, name)
  }
  return null
}

// ------------------------------------------------------------------------------------------------------------------------------- commands

/** One entry by its C2SP tlog-proof, whose `extra` line is the body. */
function judgeProof(text: string, name: string, judgeHead: (note: string) => JudgedNote): Verdict {
  const [, extra, place, hashes = '', note = ''] =
    /^c2sp\.org\/tlog-proof@v1\nextra (\S+)\nindex (0|[1-9][0-9]{0,14})\n((?:[A-Za-z0-9+/=]+\n)*)\n([\s\S]*)$/.exec(
      text,
    ) ?? []
  const body = readBase64(extra)
  const proof = hashes.split('\n').slice(0, -1).map(readBase64)
  const isRead = proof.every((hash) => hash !== null && hash.length === HASH_BYTES)
  if (body === null || !isRead) return { state: 'undecided', fault: 'file-unreadable', file: name }
  const index = Number(place)
  const head = judgeHead(note)
  if (head === 'foreign') return { state: 'undecided', fault: 'key-missing', file: name }
  if (head === 'forged') return tampered('checkpoint-forged', index, index + 1, name)
  const leaf = { index, hash: leafHash(head.tree, body) }
  const root = rootByPath(
    head.tree,
    leaf,
    head.size,
    proof.filter((hash) => hash !== null),
  )
  if (root === null || !root.equals(head.root)) return tampered('proof-fails', index, index + 1, name)
  return {
    state: 'whole',
    index,
    signed: head.size,
    cosigned: head.cosigned,
    trees: [head.tree],
    body: body.toString(),
  }
}

function verifyEntry(file: string, given: readonly string[]): Verdict {
  const folder = path.dirname(file)
  const beside = existsSync(path.join(folder, 'verifiers.txt')) ? folder : path.dirname(folder)
  const keys = readKeys(given, beside)
  return judgeProof(readText(file), path.basename(file), (note) => judgeNote(note, keys))
}

function verifyConsistent(files: readonly string[], given: readonly string[]): Verdict {
  const [olderFile = '', newerFile = '', proofFile = ''] = files
  const keys = readKeys(given, path.dirname(newerFile))
  const [older, newer] = [olderFile, newerFile].map((file) => judgeNote(readText(file), keys))
  const proof = readText(proofFile)
    .split('\n')
    .filter((line) => line !== '')
    .map(readBase64)
  const name = path.basename(proofFile)
  if (typeof older !== 'object' || typeof newer !== 'object' || older.origin !== newer.origin) {
    const isForged = older === 'forged' || newer === 'forged'
    return isForged
      ? tampered('checkpoint-forged', 0, 0, name)
      : { state: 'undecided', fault: 'key-missing', file: name }
  }
  if (!proof.every((hash) => hash !== null && hash.length === HASH_BYTES))
    return { state: 'undecided', fault: 'file-unreadable', file: name }
  if (newer.size < older.size) return tampered('log-shorter', newer.size, newer.size + 1, path.basename(newerFile))
  return isContinued(
    older,
    newer,
    proof.filter((hash) => hash !== null),
  )
    ? { state: 'whole', from: older.size, signed: newer.size, trees: [newer.tree] }
    : tampered('not-continued', 0, older.size, name)
}

function isContinued(older: Checkpoint, newer: Checkpoint, proof: readonly Buffer[]): boolean {
  if (older.size === newer.size) return proof.length === 0 && older.root.equals(newer.root)
  if (older.size === 0) return proof.length === 0 && older.root.equals(rootOf(older.tree, []))
  const roots = rootsByConsistency(newer.tree, older, newer, proof)
  return roots !== null && roots.older.equals(older.root) && roots.newer.equals(newer.root)
}

/** Checkpoints that somebody kept: one in each file of a folder. */
function readAnchors(folder: string, keys: readonly Key[]): readonly Checkpoint[] {
  if (!existsSync(folder)) throw new CannotDecide('file-missing', path.basename(folder))
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((file) => file.isFile() && !file.name.startsWith('.'))
    .map(({ name }) => name)
    .toSorted()
  const anchors = names.map((name) => {
    const judged = judgeNote(readText(path.join(folder, name)), keys)
    if (typeof judged !== 'object') throw new CannotDecide('anchor-unusable', name)
    return judged
  })
  if (anchors.length === 0) throw new CannotDecide('file-missing', path.basename(folder))
  return anchors
}

/** What was kept of a pruned log: the perfect subtrees of what is gone, the largest first, and where its lanes were. */
function readState(file: string): TreeState {
  const read = readJson(readFile(file))
  const minIndex = read?.['minIndex']
  const hashes = Array.isArray(read?.['hashes']) ? read['hashes'].map(readBase64) : []
  const isRead =
    isIndex(minIndex) &&
    hashes.length === subtreeSizes(minIndex).length &&
    hashes.every((hash) => hash !== null && hash.length === HASH_BYTES)
  if (!isRead) throw new CannotDecide('file-unreadable', path.basename(file))
  const lanes = Array.isArray(read?.['lanes'])
    ? (read['lanes'] as { laneId: string; seq: number; head: string }[])
    : null
  const known = lanes?.map(
    ({ laneId, seq, head }) => [laneId, { seq, head, index: Math.max(0, minIndex - 1) }] as const,
  )
  return {
    minIndex,
    hashes: hashes.filter((hash) => hash !== null),
    lanes: known === undefined ? null : new Map(known),
  }
}

interface BundleOptions {
  /** Keys in the words of C2SP, or files of them; none: those of the package. */
  readonly verifiers?: readonly string[]
  /** A folder of kept checkpoints. */
  readonly anchors?: string
  /** The file of what was kept of a pruned log. */
  readonly state?: string
}

/** Judges a package: every entry, tile, checkpoint and signature in it, and kept checkpoints against it. */
async function verifyBundle(folder: string, options: BundleOptions = {}): Promise<Verdict> {
  try {
    const manifest = readManifest(folder)
    const keys = readKeys(options.verifiers ?? [], folder)
    const anchors = options.anchors === undefined ? [] : readAnchors(options.anchors, keys)
    const shorter = anchors.find(({ size }) => manifest.kind !== 'whole' && size > manifest.size)
    if (shorter !== undefined) throw new CannotDecide('file-missing', 'entries of the whole log')
    const state = options.state === undefined ? NOTHING : readState(options.state)
    const verdict =
      manifest.kind === 'whole'
        ? await verifyWhole(folder, manifest, keys, anchors, state)
        : await verifyPart(folder, manifest, keys, anchors)
    return verdict.state === 'whole' ? ((await checkFiles(folder, manifest)) ?? verdict) : verdict
  } catch (error) {
    if (error instanceof CannotDecide) return error.verdict
    throw error
  }
}

const USAGE: Verdict = { state: 'undecided', fault: 'usage', file: '' }

interface Command {
  readonly given: number
  readonly run: (places: readonly string[], verifiers: readonly string[]) => Verdict | Promise<Verdict>
}

const commands: Readonly<Record<string, Command>> = {
  bundle: { given: 1, run: ([folder = ''], verifiers) => verifyBundle(folder, { verifiers }) },
  entry: { given: 1, run: ([file = ''], verifiers) => verifyEntry(file, verifiers) },
  consistent: { given: 3, run: verifyConsistent },
  anchors: { given: 2, run: ([anchors = '', folder = ''], verifiers) => verifyBundle(folder, { verifiers, anchors }) },
  pruned: { given: 2, run: ([state = '', folder = ''], verifiers) => verifyBundle(folder, { verifiers, state }) },
}

const usage = `audit-verify bundle DIR | entry FILE.tlog-proof | consistent OLD NEW PROOF | anchors DIR LOG | pruned STATE DIR
  --verifier KEY   name+id+key, or a file of such lines; may be given again (else verifiers.txt beside the evidence)
                   公钥文本或其文件，可重复；缺省用证据旁的 verifiers.txt
  --json           one line of JSON / 输出一行 JSON
exit 0 whole 完整 · 1 tampered 被篡改 · 2 cannot decide 无法判定
`

const titles = { whole: '完整 / whole', tampered: '被篡改 / tampered', undecided: '无法判定 / cannot decide' } as const

function describe(verdict: Verdict): string {
  const facts = Object.entries(verdict).filter(([name]) => name !== 'state' && name !== 'fault')
  const [en, zh] = verdict.state === 'whole' ? ['', ''] : faults[verdict.fault]
  const reason = en === '' ? [] : [`${zh} / ${en}`]
  return [titles[verdict.state], ...reason, ...facts.map(([name, fact]) => `${name}: ${String(fact)}`), ''].join('\n')
}

/** Judges by the words of a command line. */
export async function judge(given: readonly string[]): Promise<{ readonly verdict: Verdict; readonly json: boolean }> {
  const options = { verifier: { type: 'string', multiple: true }, json: { type: 'boolean' } } as const
  try {
    const { values, positionals } = parseArgs({ args: [...given], options, allowPositionals: true })
    const [name = '', ...places] = positionals
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined
    const isUsable = command?.given === places.length
    const verdict = isUsable ? await command.run(places, values.verifier ?? []) : USAGE
    return { verdict, json: values.json === true }
  } catch (error) {
    if (error instanceof CannotDecide) return { verdict: error.verdict, json: given.includes('--json') }
    const isUsage = (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') === true
    return { verdict: isUsage ? USAGE : { ...USAGE, fault: 'file-unreadable' }, json: given.includes('--json') }
  }
}

const exitCodes = { whole: 0, tampered: 1, undecided: 2 } as const

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { verdict, json } = await judge(process.argv.slice(2))
  if (verdict.state === 'undecided' && verdict.fault === 'usage') process.stderr.write(usage)
  process.stdout.write(json ? `${JSON.stringify(verdict)}\n` : describe(verdict))
  process.exitCode = exitCodes[verdict.state]
}
