import path from 'node:path'
import type { FileSourceManifest } from '../../feeds/manifest-file.ts'
import type { FileDirectory } from './file-directory.ts'
import { fileError } from './file-directory.ts'
import type { FileFacts } from './file-marker.ts'
import { readFileList, readMarker } from './file-marker.ts'

/** A data file that is complete, as the department says. */
export interface AnnouncedFile extends FileFacts {
  readonly name: string
  /** The list that names it; null where each file has a marker of its own. */
  readonly batch: string | null
}

/** The last file read to its end, and the list that named it. */
export interface DropPlace {
  readonly done: string | null
  readonly batch: string | null
}

/** One way to say that files are complete. */
interface Signal {
  readonly findNext: (place: DropPlace) => Promise<AnnouncedFile | null>
  readonly findAgain: (name: string, batch: string | null) => Promise<AnnouncedFile>
}

/**
 * The next data file after `place`, or null when there is none yet. Throws AppError SOURCE_FILE_INVALID when a file without a
 * marker would be overtaken by a later one that has its marker, since once passed it would never be read, and when a list
 * names what is not there.
 */
export function findNextFile(
  directory: FileDirectory,
  manifest: FileSourceManifest,
  place: DropPlace,
): Promise<AnnouncedFile | null> {
  return signalOf(directory, manifest).findNext(place)
}

/** The file that a cursor names, as it is announced now. Throws AppError SOURCE_FILE_INVALID. */
export async function findFileAgain(
  directory: FileDirectory,
  manifest: FileSourceManifest,
  name: string,
  batch: string | null,
): Promise<AnnouncedFile> {
  if (!isDataFile(manifest, name)) throw fileError('the cursor names a file that does not fit the pattern')
  return signalOf(directory, manifest).findAgain(name, batch)
}

function signalOf(directory: FileDirectory, manifest: FileSourceManifest): Signal {
  const { marker } = manifest
  return marker.kind === 'list'
    ? byLists(directory, manifest, marker.pattern)
    : byMarkers(directory, manifest, marker.suffix, marker.kind ?? 'count')
}

function byMarkers(
  directory: FileDirectory,
  manifest: FileSourceManifest,
  suffix: string,
  kind: 'count' | 'empty',
): Signal {
  const announce = async (name: string): Promise<AnnouncedFile> => ({
    ...(await readMarker(directory, name + suffix, kind)),
    name,
    batch: null,
  })
  return {
    findAgain: announce,
    findNext: async ({ done }) => {
      const names = await directory.list()
      const waiting = [...names].filter((name) => isDataFile(manifest, name) && (done === null || name > done)).sort()
      const marked = waiting.find((name) => names.has(name + suffix))
      if (marked === undefined) return null
      const [first = marked] = waiting
      if (first === marked) return announce(marked)
      throw fileError(`${first} has no marker while the later ${marked} has one; finish it or take it away`)
    },
  }
}

function byLists(directory: FileDirectory, manifest: FileSourceManifest, pattern: string): Signal {
  const readList = async (batch: string): Promise<readonly AnnouncedFile[]> => {
    const files = await readFileList(directory, batch)
    const stranger = files.find(({ name }) => !isDataFile(manifest, name))
    if (stranger !== undefined) throw fileError(`${batch} lists a name that does not fit ${manifest.pattern}`)
    return files.map((file) => ({ ...file, batch }))
  }
  return {
    findAgain: async (name, batch) => {
      const files = batch === null || !fits(pattern, batch) ? [] : await readList(batch)
      return files.find((file) => file.name === name) ?? refuseLost(batch, name)
    },
    findNext: async ({ done, batch }) => {
      const names = await directory.list()
      const rest = batch === null || done === null ? [] : filesAfter(await readList(batch), batch, done)
      const [next = await findInLater(names, pattern, batch, readList)] = rest
      if (next !== null && !names.has(next.name))
        throw fileError(`${next.batch} lists ${next.name}, which is not there`)
      return next
    },
  }
}

function filesAfter(files: readonly AnnouncedFile[], batch: string, done: string): readonly AnnouncedFile[] {
  const place = files.findIndex(({ name }) => name === done)
  return place === -1 ? refuseLost(batch, done) : files.slice(place + 1)
}

async function findInLater(
  names: ReadonlySet<string>,
  pattern: string,
  batch: string | null,
  readList: (batch: string) => Promise<readonly AnnouncedFile[]>,
): Promise<AnnouncedFile | null> {
  const later = [...names].filter((name) => fits(pattern, name) && (batch === null || name > batch)).sort()
  for (const next of later) {
    const [first] = await readList(next)
    if (first !== undefined) return first
  }
  return null
}

function refuseLost(batch: string | null, name: string): never {
  throw fileError(`${batch ?? 'no list'} no longer lists ${name}, at which reading stopped; put it back`)
}

function isDataFile({ pattern, marker }: FileSourceManifest, name: string): boolean {
  const isMarker = marker.kind === 'list' ? fits(marker.pattern, name) : name.endsWith(marker.suffix)
  return fits(pattern, name) && !isMarker
}

// Control characters break log lines and FTP commands; U+FFFD stands for bytes that are no UTF-8, under which nothing opens.
const ODD_CHARACTERS = /[\p{Cc}\p{Cf}\u2028\u2029\uFFFD/\\]/u

/** Throws AppError SOURCE_FILE_INVALID for a name that fits but cannot be handled: passed over, it would never be read. */
function fits(pattern: string, name: string): boolean {
  const [head = '', tail = ''] = pattern.split('*')
  if (path.basename(name) !== name) return false
  const isPatterned = name.length >= head.length + tail.length && name.startsWith(head) && name.endsWith(tail)
  if (isPatterned && ODD_CHARACTERS.test(name)) {
    throw fileError(`a name like ${pattern} has control or undecodable characters; rename the file`)
  }
  return isPatterned
}
