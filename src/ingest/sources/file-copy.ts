import type { FileHandle } from 'node:fs/promises'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { assertFileBytes, refuseChanged } from './file-directory.ts'

/** A file of a server, as the server describes it before it is fetched. */
export interface RemoteFile {
  readonly name: string
  readonly bytes: number
}

/**
 * Copies what `fetch` brings into a file that has no name any more before its first byte is written: it holds personal
 * data, and so it is gone with its handle, whatever ends the process. `fetch` is given the place to pipe into. Throws AppError
 * SOURCE_LIMIT_EXCEEDED beyond `maxBytes`, SOURCE_FILE_INVALID when another number of bytes comes than the server said.
 */
export async function copyPrivately(
  file: RemoteFile,
  maxBytes: number,
  fetch: (keep: (body: Readable) => Promise<void>) => Promise<void>,
): Promise<FileHandle> {
  assertFileBytes(file.name, file.bytes, maxBytes)
  const copy = await openNameless()
  try {
    // A pipeline still hears its streams when it is over: SFTP closes a file after its last byte, and a break then ends no process.
    await fetch((body) => pipeline(body, (chunks) => append(copy, file.name, chunks, maxBytes)))
    const { size } = await copy.stat()
    if (size !== file.bytes) refuseChanged(file.name)
    return copy
  } catch (error) {
    await copy.close()
    throw error
  }
}

async function openNameless(): Promise<FileHandle> {
  const folder = await mkdtemp(path.join(tmpdir(), 'gridbridge-copy-'))
  try {
    return await open(path.join(folder, 'copy'), 'wx+', 0o600)
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** The size that a server lists is only what it says. A write stream would hold on to the handle, so that closing it waits for ever. */
async function append(
  copy: FileHandle,
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<void> {
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    assertFileBytes(name, bytes, maxBytes)
    await copy.appendFile(chunk)
  }
}
