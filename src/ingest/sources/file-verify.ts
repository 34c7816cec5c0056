import type { DataFile, Table } from './file-bytes.ts'
import { assertUnchanged, digestFile } from './file-bytes.ts'
import { fileError } from './file-directory.ts'
import type { FileDigest, FileFacts } from './file-marker.ts'

/** How people write the names of the digests. */
const digestNames = { sm3: 'SM3', sha256: 'SHA-256', md5: 'MD5' } as const

/**
 * The digest of a file, compared with what the department says (DQ-080). Throws AppError SOURCE_FILE_INVALID when another is
 * stated.
 */
export async function verifyDigest(file: DataFile, { digest }: FileFacts): Promise<FileDigest> {
  const found = await digestFile(file, digest?.algorithm ?? 'sm3')
  if (digest === null || digest.hex === found.hex) return found
  throw fileError(`${file.name} has another ${digestNames[found.algorithm]} than its marker says; send it again`)
}

/**
 * Reads a file once to its end: every byte can be decoded (DQ-092) and the number of rows is the stated one (DQ-080). So no
 * row of a damaged file is ever handed out. Throws AppError SOURCE_FILE_INVALID.
 */
export async function verifyRows(file: DataFile, table: Table, { rows }: FileFacts): Promise<void> {
  const found = await table.count()
  await assertUnchanged(file)
  if (rows !== null && found !== rows) throw fileError(`${file.name} has ${found} rows, its marker says ${rows}`)
}
