import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { AppError, errorTable, toAppError, type ErrorCode } from '../errors.ts'

/** RFC 9457 problem details. `code` is from the one error table; `titleZh` says the same in Chinese. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly titleZh: string
  readonly status: number
  readonly code: ErrorCode
  readonly detail: string
  readonly retry: boolean
}

/** Fastify's own refusals by status; what it says of the input is not repeated, because it may hold what was given. */
const codeOfStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'REQUEST_INVALID',
  404: 'ROUTE_UNKNOWN',
  413: 'TOO_LARGE',
  415: 'REQUEST_INVALID',
}

function codedError(error: FastifyError): AppError {
  if (error.validation !== undefined) {
    const places = error.validation.map((fault) => `${error.validationContext ?? 'request'}${fault.instancePath} ${fault.keyword}`)
    return new AppError('REQUEST_INVALID', places.join('; '))
  }
  const code = codeOfStatus[error.statusCode ?? 500]
  return code === undefined ? toAppError(error) : new AppError(code)
}

export function problemOf(error: AppError): Problem {
  const entry = errorTable[error.code]
  return {
    type: `urn:gridbridge:problem:${error.code}`,
    title: entry.en,
    titleZh: entry.zh,
    status: entry.status,
    code: error.code,
    detail: error.detail,
    retry: entry.retry,
  }
}

/** The one error handler of the server. */
export async function answerProblem(error: FastifyError, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const coded = error instanceof AppError ? error : codedError(error)
  if (coded.status >= 500) request.log.error({ code: coded.code }, 'request failed')
  if (coded.status === 401) void reply.header('www-authenticate', 'Bearer realm="gridbridge"')
  return reply.status(coded.status).type('application/problem+json').send(problemOf(coded))
}
