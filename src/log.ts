import { Writable } from 'node:stream'
import { pino, type Logger } from 'pino'
import { causeOf, codeOf, fitFields, logEvents, type LogCode, type LogFields } from './log-events.ts'

/**
 * The application log says what is on the list of log-events.ts. This is the net below that rule: whatever still looks like an
 * identity number or a mobile number is blotted out before a line is written, the line says so, and it is counted for an alarm.
 */
const personal = /(?<![0-9A-Za-z])(?<!\d\.)(?:\d{17}[\dXx]|\d{15}|1[3-9]\d{9})(?![0-9A-Za-z])/g

/** The texts and the bare numbers of a JSON line, keys included. */
const tokens = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g

function scrubToken(token: string): string {
  // A bare number becomes a text, because the line must stay JSON.
  if (!token.startsWith('"') && token.search(personal) >= 0) return '"[scrubbed]"'
  return token.replace(personal, '[scrubbed]')
}

/** Blots out what looks personal in one log line. Time stamps have 13 digits and fractions follow a point; both are left alone. */
export function scrubLine(line: string): string {
  if (line.search(personal) < 0) return line
  return line
    .replace(tokens, scrubToken)
    .replace(personal, '[scrubbed]')
    .replace(/\}\s*$/, ',"scrubbed":true}\n')
}

let scrubbedLines = 0

/** Lines of this process that looked personal. Each is a fault of the program. */
export const countScrubbed = (): number => scrubbedLines

const scrubbingOutput = new Writable({
  decodeStrings: false,
  write(given: string | Buffer, _encoding, done) {
    const line = String(given)
    const scrubbed = scrubLine(line)
    if (scrubbed !== line) scrubbedLines += 1
    process.stderr.write(scrubbed, () => done())
  },
})

/** What a library hands to a logger, as far as it is read. */
interface LibraryLine {
  readonly req?: { readonly method?: string; readonly id?: string }
  readonly res?: { readonly statusCode?: number; readonly request?: { readonly id?: string } }
  readonly responseTime?: number
  readonly err?: unknown
  readonly code?: unknown
}

/** The logger that a library writes to: its words are dropped, and what is on the list is taken out of its objects. */
export interface LibraryLog {
  level: string
  readonly trace: (line: unknown) => void
  readonly debug: (line: unknown) => void
  readonly info: (line: unknown) => void
  readonly warn: (line: unknown) => void
  readonly error: (line: unknown) => void
  readonly fatal: (line: unknown) => void
  readonly silent: (line: unknown) => void
  readonly child: (bindings: { readonly reqId?: unknown }) => LibraryLog
}

/** The log of a process. */
export interface Log {
  /** Writes what is on the list, at its level. */
  readonly tell: <Event extends LogCode>(event: Event, fields: LogFields<Event>) => void
  readonly forLibrary: LibraryLog
}

/** Fastify numbers its requests `req-1f`. */
const requestOf = (id: unknown): `${string}/${number}` => `request/${Number.parseInt(String(id).slice(4), 36) || 0}`

function openLibraryLog(log: Logger, tell: Log['tell'], reqId: unknown): LibraryLog {
  const take = (line: unknown): void => {
    const { req, res, responseTime = 0, err, code } = Object(line) as LibraryLine
    const request = requestOf(req?.id ?? res?.request?.id ?? reqId)
    if (err !== undefined || code !== undefined)
      tell('REQUEST_FAILED', { request, cause: err === undefined ? codeOf(code) : causeOf(err) })
    else if (res !== undefined) tell('REQUEST_ANSWERED', { request, status: res.statusCode ?? 0, took: responseTime })
    else if (req !== undefined) tell('REQUEST_BEGUN', { request, method: codeOf(req.method) })
  }
  const drop = (): void => undefined
  return {
    level: log.level,
    trace: drop,
    debug: drop,
    info: take,
    warn: take,
    error: take,
    fatal: take,
    silent: drop,
    child: (bindings) => openLibraryLog(log, tell, bindings.reqId ?? reqId),
  }
}

/** The log goes to standard error, as JSON lines; standard output belongs to the commands' answers. */
export function openLog(level: string, processName: string): Log {
  const log = pino({ level, base: { process: processName, pid: process.pid } }, scrubbingOutput)
  const tell: Log['tell'] = (event, fields) => {
    const { level: at, text } = logEvents[event]
    log[at]({ code: event, ...fitFields(event, fields) }, text)
  }
  return { tell, forLibrary: openLibraryLog(log, tell, null) }
}
