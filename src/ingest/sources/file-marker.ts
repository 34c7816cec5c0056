import type { FileDirectory } from './file-directory.ts'
import { fileError } from './file-directory.ts'
import { parseJson } from './json.ts'

/** Digests a department may state, and their length in hexadecimal digits. */
const digestLengths = { sm3: 64, sha256: 64, md5: 32 } as const

export type DigestAlgorithm = keyof typeof digestLengths

export interface FileDigest {
  readonly algorithm: DigestAlgorithm
  /** Lower-case hexadecimal digits. */
  readonly hex: string
}

/** What the department says about a data file. Null: it says nothing. */
export interface FileFacts {
  /** Data rows, the header not counted. */
  readonly rows: number | null
  readonly digest: FileDigest | null
}

interface ListedFile extends FileFacts {
  readonly name: string
}

// A marker is two numbers, a line of a list some 150 characters; anything larger is another file under its name.
const MAX_MARKER_BYTES = 4096
const MAX_LIST_BYTES = 1024 * 1024

const WANTED = '{"rows": count, "sm3": 64 hex digits} (or "sha256", or "md5")'

/** Reads the marker beside a data file; of an `empty` one only that it is a plain file. Throws AppError SOURCE_FILE_INVALID. */
export async function readMarker(directory: FileDirectory, name: string, kind: 'count' | 'empty'): Promise<FileFacts> {
  const text = await readText(directory, name, MAX_MARKER_BYTES)
  if (kind === 'empty') return { rows: null, digest: null }
  return toFacts(parse(text)) ?? refuse(`${name} must hold ${WANTED}`)
}

/** Reads the list of a batch. Throws AppError SOURCE_FILE_INVALID. */
export async function readFileList(directory: FileDirectory, name: string): Promise<readonly ListedFile[]> {
  const { files } = parse(await readText(directory, name, MAX_LIST_BYTES))
  if (!Array.isArray(files)) throw fileError(`${name} must hold {"files": […]}`)
  const listed = files.map((value: unknown, place): ListedFile => {
    const entry = toObject(value)
    const facts = toFacts(entry)
    if (facts !== null && typeof entry['name'] === 'string') return { ...facts, name: entry['name'] }
    return refuse(`${name} entry ${place + 1} must hold "name" and ${WANTED}`)
  })
  if (new Set(listed.map((file) => file.name)).size < listed.length) throw fileError(`${name} lists a file twice`)
  return listed
}

/** The whole text, or nothing of a file that is too large, which is then no marker. */
async function readText(directory: FileDirectory, name: string, maxBytes: number): Promise<string> {
  const file = await directory.open(name, MAX_LIST_BYTES)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxBytes + 1), 0, maxBytes + 1, 0)
    return bytesRead > maxBytes ? '' : buffer.toString('utf8', 0, bytesRead).replace(/^\uFEFF/, '')
  } finally {
    await file.close()
  }
}

type Members = Readonly<Record<string, unknown>>

function parse(text: string): Members {
  try {
    return toObject(parseJson(text))
  } catch {
    return {}
  }
}

function toObject(value: unknown): Members {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}

function toFacts(entry: Members): FileFacts | null {
  const { rows } = entry
  const digest = toDigest(entry)
  const isCount = typeof rows === 'number' && Number.isSafeInteger(rows) && rows >= 0
  return isCount && digest !== null ? { rows, digest } : null
}

function toDigest(entry: Members): FileDigest | null {
  for (const [algorithm, length] of Object.entries(digestLengths)) {
    const hex = entry[algorithm]
    if (hex === undefined) continue
    if (!isAlgorithm(algorithm) || typeof hex !== 'string' || hex.length !== length || !/^[\da-f]+$/i.test(hex))
      return null
    return { algorithm, hex: hex.toLowerCase() }
  }
  return null
}

function isAlgorithm(name: string): name is DigestAlgorithm {
  return Object.hasOwn(digestLengths, name)
}

function refuse(detail: string): never {
  throw fileError(detail)
}
