import type { Socket } from 'node:net'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { AppError, errorTable, toAppError, type ErrorCode } from '../errors.ts'
import { holdsPersonalNumber } from '../feeds/formats.ts'

/** RFC 9457 problem details. `code` is from the one error table; `titleZh` says the same in Chinese. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly titleZh: string
  readonly status: number
  readonly code: ErrorCode
  readonly detail: string
  readonly retry: boolean
  /** Where to begin again, with CURSOR_EXPIRED. */
  readonly snapshot?: string
}

/** Fastify's own refusals by status; what it says of the input is not repeated, because it may hold what was given. */
const codeOfStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'REQUEST_INVALID',
  404: 'ROUTE_UNKNOWN',
  413: 'TOO_LARGE',
  414: 'REQUEST_INVALID',
  415: 'REQUEST_INVALID',
}

/** RFC 6749 §5.2 and RFC 6750 §3: a 401 names the scheme that the client should have used. */
const challenges: Partial<Readonly<Record<ErrorCode, string>>> = {
  CLIENT_UNAUTHENTICATED: 'Basic realm="gridbridge"',
  TOKEN_INVALID: 'Bearer realm="gridbridge"',
}

function codedError(error: FastifyError): AppError {
  if (error.validation !== undefined) {
    const places = error.validation.map(
      (fault) => `${error.validationContext ?? 'request'}${fault.instancePath} ${fault.keyword}`,
    )
    return new AppError('REQUEST_INVALID', places.join('; '))
  }
  const code = codeOfStatus[error.statusCode ?? 500]
  return code === undefined ? toAppError(error) : new AppError(code)
}

/** What was given is repeated to whoever gave it, but for the number of a person. */
const withoutPerson = (detail: string): string => (holdsPersonalNumber(detail) ? '' : detail)

export function problemOf(error: AppError): Problem {
  const entry = errorTable[error.code]
  return {
    type: `urn:gridbridge:problem:${error.code}`,
    title: entry.en,
    titleZh: entry.zh,
    status: entry.status,
    code: error.code,
    detail: withoutPerson(error.detail),
    retry: entry.retry,
  }
}

/** How long the caller is asked to wait, in milliseconds; what a department's system asks of us is not passed on. */
function retryAfterOf({ code, status, cause }: AppError): number | null {
  const { retryAfterMs } = (cause ?? {}) as { readonly retryAfterMs?: unknown }
  return (status === 429 || code === 'FROZEN') && typeof retryAfterMs === 'number' ? retryAfterMs : null
}

/** The snapshot with which a consumer begins again whose cursor no longer leads on. */
function snapshotOf({ code }: AppError, request: FastifyRequest): string | null {
  const { dataset } = (request.params ?? {}) as { readonly dataset?: unknown }
  return code === 'CURSOR_EXPIRED' && typeof dataset === 'string' ? `/api/v1/datasets/${dataset}/snapshot` : null
}

/** The one error handler of the server. */
export async function answerProblem(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const coded = error instanceof AppError ? error : codedError(error)
  if (coded.status >= 500) request.log.error({ code: coded.code })
  const challenge = challenges[coded.code]
  if (challenge !== undefined) void reply.header('www-authenticate', challenge)
  const waitMs = retryAfterOf(coded)
  if (waitMs !== null) void reply.header('retry-after', Math.max(1, Math.ceil(waitMs / 1000)))
  const snapshot = snapshotOf(coded, request)
  if (snapshot !== null) void reply.header('link', `<${snapshot}>; rel="snapshot"`)
  const problem = { ...problemOf(coded), ...(snapshot === null ? {} : { snapshot }) }
  return reply.status(coded.status).type('application/problem+json').send(problem)
}

/** What is no HTTP request has a connection and no reply; it gets its problem all the same. */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return
  const body = JSON.stringify(problemOf(new AppError('REQUEST_INVALID')))
  const head = [
    'HTTP/1.1 400 Bad Request',
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}
