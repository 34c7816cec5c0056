/**
 * The closed list of what the log can say: a level, words that never change, and fields of known kinds. There is no field for text, so
 * none can carry a value of somebody's (OWASP ASVS 5.0, 16.2.5).
 */

/**
 * `code`: of the error table, of PostgreSQL or of Node. `id`: kind and number of an object, `run/7`. `count`: a whole number.
 * `duration`: milliseconds. A list: one of these words.
 */
type FieldKind = 'code' | 'id' | 'count' | 'duration' | readonly string[]

interface LogEvent {
  readonly level: 'info' | 'warn' | 'error' | 'fatal'
  readonly text: string
  readonly fields: Readonly<Record<string, FieldKind>>
}

export const logEvents = {
  API_LISTENING: { level: 'info', text: 'listening', fields: { port: 'count' } },
  WORKER_READY: { level: 'info', text: 'ready', fields: { queue: ['postgresql', 'redis'] } },
  STOPPED: { level: 'info', text: 'stopped', fields: {} },
  SLICE_ENDED: {
    level: 'info',
    text: 'a slice of work ended',
    fields: {
      event: ['run.slice', 'run.failed', 'delivery.slice', 'export.slice'],
      object: 'id',
      outcome: 'code',
    },
  },
  PASS_FAILED: {
    level: 'warn',
    text: 'a pass failed; the next one follows',
    fields: {
      pass: [
        'verification-delivery',
        'recalls',
        'reconciler',
        'projector',
        'disposal',
        'timetable',
        'housekeeping',
        'agreements',
        'exports',
        'queue',
        'log-alarm',
        'key-rotation',
        'incidents',
        'signing-watch',
        'reports',
        'log-check',
        'oversight',
        'audit-index',
      ],
      cause: 'code',
    },
  },
  SEQUENCER_FAILED: { level: 'error', text: 'the audit log is not sequenced', fields: { cause: 'code' } },
  SIGNER_FAILED: { level: 'error', text: 'the audit log is not signed', fields: { cause: 'code' } },
  WATCHDOG: { level: 'fatal', text: 'exiting', fields: { finding: ['skewed', 'silent'] } },
  REQUEST_BEGUN: { level: 'info', text: 'request', fields: { request: 'id', method: 'code' } },
  REQUEST_ANSWERED: { level: 'info', text: 'answered', fields: { request: 'id', status: 'count', took: 'duration' } },
  REQUEST_FAILED: { level: 'error', text: 'request failed', fields: { request: 'id', cause: 'code' } },
  LOG_SCRUBBED: {
    level: 'error',
    text: 'lines that looked personal were blotted out; find the call that wrote them',
    fields: { lines: 'count' },
  },
} as const satisfies Record<string, LogEvent>

export type LogCode = keyof typeof logEvents

/** A text that codeOf made: a code, and nothing that somebody wrote. */
export type Code = string & { readonly made: 'by codeOf' }

interface KindTypes {
  readonly code: Code
  readonly id: `${string}/${number}`
  readonly count: number
  readonly duration: number
}

type ValueOf<Kind> = Kind extends keyof KindTypes
  ? KindTypes[Kind]
  : Kind extends readonly (infer Word)[]
    ? Word
    : never

type FieldsOf<Event extends LogCode> = (typeof logEvents)[Event]['fields']

/** The fields that an event has to be told with, and no others. */
export type LogFields<Event extends LogCode> = keyof FieldsOf<Event> extends never
  ? Readonly<Record<string, never>>
  : { readonly [Name in keyof FieldsOf<Event>]: ValueOf<FieldsOf<Event>[Name]> }

/** Codes of ours, of PostgreSQL (five signs), of Node and of HTTP, and the lower-case words for outcomes. */
const CODE = /^(?:[A-Z][A-Z_]{1,60}|[0-9A-Z]{5}|[a-z]{2,20}(?:-[a-z]{2,20}){0,3})$/

/** A code as a field of the log; anything else is UNCODED. */
export const codeOf = (text: unknown): Code => (typeof text === 'string' && CODE.test(text) ? text : 'UNCODED') as Code

/** The code that an error carries. */
export const causeOf = (error: unknown): Code => codeOf((error as { readonly code?: unknown } | null)?.code)

const isNumber = (value: unknown): boolean =>
  typeof value === 'number' && Number.isFinite(value) && Math.abs(value) < 1e10

const holds: Readonly<Record<keyof KindTypes, (value: unknown) => boolean>> = {
  code: (value) => codeOf(value) === value,
  id: (value) => typeof value === 'string' && /^[a-z][a-z-]{0,30}\/\d{1,10}$/.test(value),
  count: (value) => Number.isInteger(value) && isNumber(value),
  duration: isNumber,
}

const isOfKind = (kind: FieldKind, value: unknown): boolean =>
  typeof kind === 'string' ? holds[kind](value) : kind.some((word) => word === value)

/** The fields of an event as they are written: what is not of its kind, whatever the types were told, is `unfit`. */
export function fitFields(
  event: LogCode,
  fields: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const kinds: Readonly<Record<string, FieldKind>> = logEvents[event].fields
  return Object.fromEntries(
    Object.entries(kinds).map(([name, kind]) => [name, isOfKind(kind, fields[name]) ? fields[name] : 'unfit']),
  )
}
