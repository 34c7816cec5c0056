import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { AppError } from '../errors.ts'

const KEY_BYTES = 32
/** One that wraps and those that only open, while a rotation lasts; more are a mistake. */
const MOST_KEYS = 8

/**
 * Where key-encryption keys come from. Each gives them as text: 32 bytes in Base64, several apart by white space. New keys are wrapped
 * under the first; the others only open what they wrapped before. No error repeats what a provider gave.
 */
export interface KeyProvider {
  /** What it is, for errors and the log. */
  readonly name: string
  /** The keys as they are now. Throws KEY_UNAVAILABLE. */
  readonly load: () => Promise<readonly Buffer[]>
}

/** A program that prints the keys: the client of a key service or of a cipher machine (密码机). */
export interface KeyCommand {
  readonly program: string
  readonly arguments: readonly string[]
  /** The only variable that it is given. */
  readonly path: string
}

export interface KeySettings {
  readonly command: KeyCommand | null
  readonly text: string | null
  readonly file: string
  /** Whether a file that is not there is made. */
  readonly create: boolean
}

const unavailable = (detail: string, cause?: unknown): AppError => new AppError('KEY_UNAVAILABLE', detail, { cause })

function decode(text: string, from: string): readonly Buffer[] {
  const keys = text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => Buffer.from(word, 'base64'))
  const wrong = keys.find((key) => key.length !== KEY_BYTES)
  if (wrong !== undefined) throw unavailable(`${from} holds ${wrong.length} bytes; give ${KEY_BYTES} bytes in Base64`)
  if (keys.length > 0 && keys.length <= MOST_KEYS) return keys
  throw unavailable(`${from} holds ${keys.length} keys; give 1 to ${MOST_KEYS}`)
}

function readKeyFile(file: string): string {
  const readableByOthers = (statSync(file).mode & 0o077) !== 0
  if (readableByOthers) throw unavailable(`others can read the key-encryption key file; run chmod 600 on it`)
  return readFileSync(file, 'utf8')
}

/** Creates the file only where none is: linking a finished file makes two processes that start together agree on one key. */
function createKeyFile(file: string): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  writeFileSync(draft, randomBytes(KEY_BYTES).toString('base64') + '\n', { mode: 0o600, flag: 'wx' })
  try {
    linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    unlinkSync(draft)
  }
}

function loadFile(file: string, create: boolean): readonly Buffer[] {
  if (create) createKeyFile(file)
  try {
    return decode(readKeyFile(file), 'the key-encryption key file')
  } catch (error) {
    if (error instanceof AppError) throw error
    throw unavailable(
      'set GRIDBRIDGE_KEK_COMMAND or GRIDBRIDGE_KEK, or GRIDBRIDGE_KEK_FILE to a file of mode 0600',
      error,
    )
  }
}

const run = promisify(execFile)
const COMMAND_MS = 10_000
const MOST_OUTPUT = 4096

/** What kind of end it had. Neither its output nor its errors are repeated: either may hold the key. */
function endOf(error: unknown): string {
  const { code, killed } = error as { readonly code?: unknown; readonly killed?: boolean }
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return `printed more than ${MOST_OUTPUT} bytes`
  if (killed === true) return `took longer than ${COMMAND_MS / 1000} s`
  return typeof code === 'number' ? `ended with ${code}` : 'could not be started'
}

async function runCommand({ program, arguments: given, path: search }: KeyCommand): Promise<readonly Buffer[]> {
  const limits = { timeout: COMMAND_MS, maxBuffer: MOST_OUTPUT, killSignal: 'SIGKILL' } as const
  const running = run(program, [...given], { ...limits, env: { PATH: search }, shell: false })
  running.child.stdin?.end()
  try {
    return decode((await running).stdout, 'the output of GRIDBRIDGE_KEK_COMMAND')
  } catch (error) {
    if (error instanceof AppError) throw error
    // The error of a program carries what it printed, so it is not kept as the cause.
    throw unavailable(`GRIDBRIDGE_KEK_COMMAND ${endOf(error)}`)
  }
}

/**
 * The provider that the settings name: a program, else the environment, else a file of mode 0600. The file is made on a first start of
 * the embedded default; a city's installation brings its own.
 */
export function openKeyProvider({ command, text, file, create }: KeySettings): KeyProvider {
  if (command !== null) return { name: 'GRIDBRIDGE_KEK_COMMAND', load: () => runCommand(command) }
  if (text !== null) return { name: 'GRIDBRIDGE_KEK', load: async () => decode(text, 'GRIDBRIDGE_KEK') }
  return { name: 'the key-encryption key file', load: async () => loadFile(file, create) }
}
