import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open, readdir, realpath } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../errors.ts'
import type { FileSourceManifest } from '../../feeds/manifest-types.ts'

/** What the department says about a data file in the marker beside it. */
export interface Marker {
  /** Data rows, the header not counted. */
  readonly rows: number
  /** SM3 of the file's bytes in lower-case hex. */
  readonly sm3: string
}

// A marker is two numbers; anything larger is another file under its name.
const MAX_MARKER_BYTES = 4096

/**
 * The next data file in the order of names after `finished` (null: the first), or null when there is none yet. Throws
 * AppError SOURCE_FILE_INVALID when a file without a marker would be overtaken by a later one that has its marker: once
 * passed, it would never be read.
 */
export async function findNextFile(manifest: FileSourceManifest, finished: string | null): Promise<string | null> {
  const names = await listNames(manifest)
  const waiting = [...names]
    .filter((name) => isDataFile(manifest, name) && (finished === null || name > finished))
    .sort()
  const marked = waiting.find((name) => names.has(name + manifest.marker.suffix))
  if (marked === undefined) return null
  const [first] = waiting
  if (first === marked) return marked
  throw fileError(`${first} has no marker while the later ${marked} has one; finish it or take it away`)
}

/** Opens a data file for reading. Throws AppError SOURCE_FILE_INVALID for what is not a plain file inside the directory. */
export async function openDataFile(manifest: FileSourceManifest, name: string): Promise<FileHandle> {
  if (!isDataFile(manifest, name)) throw fileError('the cursor names a file that does not fit the pattern')
  return openPlain(manifest, name)
}

/** Reads the marker of a data file. Throws AppError SOURCE_FILE_INVALID. */
export async function readMarker(manifest: FileSourceManifest, name: string): Promise<Marker> {
  const markerName = name + manifest.marker.suffix
  const file = await openPlain(manifest, markerName)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_MARKER_BYTES + 1))
    return parseMarker(buffer.toString('utf8', 0, bytesRead), markerName)
  } finally {
    await file.close()
  }
}

/** A file fault in words that name the file and hold nothing of its contents. */
export function fileError(detail: string): AppError {
  return new AppError('SOURCE_FILE_INVALID', detail)
}

function isDataFile({ pattern, marker }: FileSourceManifest, name: string): boolean {
  const [head = '', tail = ''] = pattern.split('*')
  const isInside = path.basename(name) === name && !name.includes('\0')
  const isPatterned = name.length >= head.length + tail.length && name.startsWith(head) && name.endsWith(tail)
  return isInside && isPatterned && !name.endsWith(marker.suffix)
}

async function listNames(manifest: FileSourceManifest): Promise<ReadonlySet<string>> {
  if (manifest.directory.split(/[/\\]/).includes('..')) {
    throw new AppError('MANIFEST_INVALID', 'the directory of a file source is written without ..')
  }
  return new Set(await readdir(manifest.directory).catch(toFileError(manifest.directory)))
}

/** A link could lead out of the directory, and a pipe would hang, so neither is opened. */
async function openPlain({ directory }: FileSourceManifest, name: string): Promise<FileHandle> {
  const root = await realpath(directory).catch(toFileError(directory))
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(path.join(root, name), flags).catch(toFileError(name))
  if ((await file.stat()).isFile()) return file
  await file.close()
  throw fileError(`${name} is not a plain file`)
}

function parseMarker(text: string, name: string): Marker {
  const marker = text.length > MAX_MARKER_BYTES ? null : toObject(text)
  const { rows, sm3 } = marker ?? {}
  const isCount = typeof rows === 'number' && Number.isSafeInteger(rows) && rows >= 0
  if (!isCount || typeof sm3 !== 'string' || !/^[\da-f]{64}$/i.test(sm3)) {
    throw fileError(`${name} must hold {"rows": count, "sm3": 64 hex digits}`)
  }
  return { rows, sm3: sm3.toLowerCase() }
}

function toObject(text: string): { readonly rows?: unknown; readonly sm3?: unknown } | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : null
  } catch {
    return null
  }
}

const fileCodes: Readonly<Record<string, 'SOURCE_FILE_INVALID' | 'SOURCE_REFUSED'>> = {
  ELOOP: 'SOURCE_FILE_INVALID',
  ENXIO: 'SOURCE_FILE_INVALID',
  EACCES: 'SOURCE_REFUSED',
  EPERM: 'SOURCE_REFUSED',
}

/** A directory or file that is not there now may be on a share that is not mounted now; a link is refused. */
function toFileError(name: string): (error: unknown) => never {
  return (error) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new AppError(fileCodes[code] ?? 'SOURCE_UNAVAILABLE', `${name} cannot be opened (${code})`)
  }
}
