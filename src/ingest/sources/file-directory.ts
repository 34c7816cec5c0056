import type { FileHandle } from 'node:fs/promises'
import { AppError } from '../../errors.ts'
import type { EgressGuard } from '../../security/egress.ts'
import type { Secrets } from './source.ts'

/** The drop directory of a department during one visit. */
export interface FileDirectory {
  readonly list: () => Promise<ReadonlySet<string>>
  /**
   * Opens a plain file: itself, or a private copy of it on this machine that goes away with the handle. Throws AppError
   * SOURCE_FILE_INVALID for what is no plain file, SOURCE_LIMIT_EXCEEDED beyond `maxBytes`.
   */
  readonly open: (name: string, maxBytes: number) => Promise<FileHandle>
}

/** Goes to the directory, does `use` there and leaves again, whatever happens. Throws AppError with a SOURCE_… code. */
export type VisitDirectory = <Result>(use: (directory: FileDirectory) => Promise<Result>) => Promise<Result>

/** What a way to a directory needs beside its own settings. */
export interface TransportOptions {
  readonly directory: string
  readonly secrets: Secrets
  readonly egress: EgressGuard
}

/** A file fault in words that name the file and hold nothing of its contents. */
export function fileError(detail: string): AppError {
  return new AppError('SOURCE_FILE_INVALID', detail)
}

/** Throws AppError SOURCE_LIMIT_EXCEEDED for a file of more than `maxBytes`. */
export function assertFileBytes(name: string, bytes: number, maxBytes: number): void {
  if (bytes <= maxBytes) return
  throw new AppError(
    'SOURCE_LIMIT_EXCEEDED',
    `${name} is larger than ${maxBytes} bytes; split it, or raise source.maxFileBytes`,
  )
}

/** Throws AppError SOURCE_FILE_INVALID for a file that is not what it was when its reading began. */
export function refuseChanged(name: string): never {
  throw fileError(`${name} was written to while it was being read; write under another name, then rename`)
}
