import type { IncomingHttpHeaders } from 'node:http'
import type { ErrorCode } from '../../errors.ts'
import { AppError } from '../../errors.ts'

/** How long the source asks us to wait; stands in the `cause` of a SOURCE_UNAVAILABLE error. */
export interface RetryAdvice {
  readonly retryAfterMs: number
}

// A source that asks for more is down as far as today's run is concerned.
const MAX_RETRY_AFTER_MS = 24 * 60 * 60 * 1000

// 408 and 425 ask for the same request again (RFC 9110 §15.5.9, RFC 8470 §5.2); 429 asks to wait.
const waitingStatuses: ReadonlySet<number> = new Set([408, 425, 429])

const resetCodes: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])

const slowCodes: ReadonlySet<string> = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'])

/** The error for an answer that is not 200. `what` names the request without its query. */
export function toStatusError(status: number, headers: IncomingHttpHeaders, what: string): AppError {
  const detail = `${what} answered ${status}`
  const advice = readRetryAfter(headers['retry-after'])
  if (status >= 500 || waitingStatuses.has(status)) {
    return new AppError('SOURCE_UNAVAILABLE', detail, advice === null ? {} : { cause: advice })
  }
  if (status >= 300) return new AppError('SOURCE_REFUSED', detail)
  return new AppError('SOURCE_BODY_INVALID', `${detail}, wanted 200`)
}

/** The error for a request that got no answer. */
export function toRequestError(error: unknown, what: string): AppError {
  const code = codeOf(error)
  const sent: ErrorCode =
    code.startsWith('HPE_') || code === 'HTTPParserError' ? 'SOURCE_BODY_INVALID' : 'SOURCE_UNAVAILABLE'
  return ownError(error) ?? new AppError(sent, `${what} got no answer (${code})`)
}

/** The error for an answer that broke off: a timeout may pass, anything else left a body that cannot be trusted. */
export function toBodyError(error: unknown, what: string): AppError {
  const code = codeOf(error)
  const broken: ErrorCode = isTimeout(error, code) ? 'SOURCE_UNAVAILABLE' : 'SOURCE_BODY_INVALID'
  return ownError(error) ?? new AppError(broken, `the answer to ${what} broke off (${code})`)
}

/** True for a connection that the other side closed before it answered. */
export function isReset(error: unknown): boolean {
  return resetCodes.has(codeOf(error))
}

function isTimeout(error: unknown, code: string): boolean {
  return slowCodes.has(code) || (error instanceof Error && error.name === 'TimeoutError')
}

/** An error of ours that undici carried, for example a refusal of the egress guard. */
function ownError(error: unknown): AppError | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof AppError) return cause
  }
  return null
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

/** Seconds or an HTTP date (RFC 9110 §10.2.3), in milliseconds from now; null where the source gives no advice. */
function readRetryAfter(text: string | undefined): RetryAdvice | null {
  if (text === undefined) return null
  const milliseconds = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  if (Number.isNaN(milliseconds)) return null
  return { retryAfterMs: Math.min(Math.max(milliseconds, 0), MAX_RETRY_AFTER_MS) }
}
