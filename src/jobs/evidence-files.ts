import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import path from 'node:path'
import { finished } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { createGzip } from 'node:zlib'
import { AppError } from '../errors.ts'

/** One file of a package as its manifest lists it; hashes in hex. */
export interface ListedFile {
  readonly name: string
  readonly bytes: number
  readonly sha256: string
  readonly sm3: string
}

/** A package while it is written. Names are relative to it. */
export interface PackageFolder {
  readonly write: (name: string, content: string | Uint8Array) => void
  /** Lines packed with gzip. */
  readonly writeLines: (name: string, lines: AsyncIterable<string>) => Promise<void>
  /** Lists every file so far, with its hashes. */
  readonly list: () => Promise<readonly ListedFile[]>
}

/** Some lines are handed on together: a write of its own for each costs more than packing it. */
const LINES_TOGETHER = 500

async function packLines(file: string, lines: AsyncIterable<string>): Promise<void> {
  const packed = createGzip({ level: 1 })
  const written = packed.pipe(createWriteStream(file, { flags: 'wx' }))
  let waiting: string[] = []
  const flush = async (): Promise<void> => {
    const isFull = waiting.length > 0 && !packed.write(waiting.join(''))
    waiting = []
    if (isFull) await once(packed, 'drain')
  }
  for await (const line of lines) {
    waiting.push(`${line}\n`)
    if (waiting.length === LINES_TOGETHER) await flush()
  }
  await flush()
  packed.end()
  await finished(written)
}

async function hashFile(folder: string, name: string): Promise<ListedFile> {
  const hashes = { sha256: createHash('sha256'), sm3: createHash('sm3') }
  let bytes = 0
  for await (const chunk of createReadStream(path.join(folder, name))) {
    bytes += (chunk as Buffer).length
    hashes.sha256.update(chunk as Buffer)
    hashes.sm3.update(chunk as Buffer)
  }
  return { name, bytes, sha256: hashes.sha256.digest('hex'), sm3: hashes.sm3.digest('hex') }
}

async function listFiles(folder: string): Promise<readonly ListedFile[]> {
  const names = readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((file) => file.isFile())
    .map((file) => path.relative(folder, path.join(file.parentPath, file.name)))
  const listed: ListedFile[] = []
  for (const name of names.toSorted()) listed.push(await hashFile(folder, name))
  return listed
}

/** Makes the folder of a package. Throws USAGE_INVALID where something lies there already or it cannot be made. */
export function openPackage(folder: string): PackageFolder {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    if (readdirSync(folder).length > 0) throw new Error('it is not empty')
  } catch (error) {
    throw new AppError('USAGE_INVALID', '--out: the folder cannot be made there', { cause: error })
  }
  const placeOf = (name: string): string => {
    const file = path.join(folder, name)
    mkdirSync(path.dirname(file), { recursive: true })
    return file
  }
  return {
    write: (name, content) => writeFileSync(placeOf(name), content, { flag: 'wx' }),
    writeLines: (name, lines) => packLines(placeOf(name), lines),
    list: () => listFiles(folder),
  }
}

const readOwn = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../../verifier/${name}`, import.meta.url)), 'utf8')

/** Node tells at every call that it may change how it strips types; that is nothing to whom a package is made for. */
function stripQuietly(source: string): string {
  const emitWarning = process.emitWarning.bind(process)
  process.emitWarning = () => undefined
  try {
    return stripTypeScriptTypes(source)
  } finally {
    process.emitWarning = emitWarning
  }
}

/** What lies in every package beside the evidence: both verifiers, the first as JavaScript that an older Node runs too, and how to use them. */
export function writeVerifiers(folder: PackageFolder): void {
  verifierFiles ??= {
    'audit-verify.mjs': stripQuietly(readOwn('audit-verify.ts')),
    'audit_verify.py': readOwn('audit_verify.py'),
    'README.md': readOwn('package-readme.md'),
  }
  for (const [name, text] of Object.entries(verifierFiles)) folder.write(name, text)
}

let verifierFiles: Readonly<Record<string, string>> | null = null
