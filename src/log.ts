import { Writable } from 'node:stream'
import { pino, type Logger } from 'pino'

/**
 * The application log. Calls carry a code and ids; this is the second net below that rule: whatever still looks like an
 * identity number or a mobile number is blotted out before a line is written, and the line says so.
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

const scrubbingOutput = new Writable({
  decodeStrings: false,
  write(line: string | Buffer, _encoding, done) {
    process.stderr.write(scrubLine(String(line)), () => done())
  },
})

/** Serialises an error as its code only: messages and stacks of others may hold what was given. */
function errorCode(error: unknown): { readonly code: string } {
  const code = (error as { code?: unknown } | null)?.code
  return { code: typeof code === 'string' ? code : 'UNCODED' }
}

/** The log goes to standard error, as JSON lines; standard output belongs to the commands' answers. */
export function openLog(level: string, processName: string): Logger {
  return pino(
    {
      level,
      base: { process: processName, pid: process.pid },
      serializers: {
        err: errorCode,
        error: errorCode,
        req: (request: { method?: string; id?: string }) => ({ method: request.method, id: request.id }),
      },
    },
    scrubbingOutput,
  )
}
