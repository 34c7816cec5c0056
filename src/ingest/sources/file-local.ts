import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open, readdir, realpath } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../errors.ts'
import type { VisitDirectory } from './file-directory.ts'
import { assertFileBytes, fileError } from './file-directory.ts'

/** A directory of this machine, or of a share that is mounted on it. */
export function visitLocal(directory: string): VisitDirectory {
  return (use) =>
    use({
      list: async () => new Set(await readdir(directory).catch(toFileError(directory))),
      open: (name, maxBytes) => openPlain(directory, name, maxBytes),
    })
}

/** A link could lead out of the directory, and a pipe would hang, so neither is opened. */
async function openPlain(directory: string, name: string, maxBytes: number): Promise<FileHandle> {
  const root = await realpath(directory).catch(toFileError(directory))
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(path.join(root, name), flags).catch(toFileError(name))
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw fileError(`${name} is not a plain file`)
    assertFileBytes(name, stat.size, maxBytes)
    return file
  } catch (error) {
    await file.close()
    throw error
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
