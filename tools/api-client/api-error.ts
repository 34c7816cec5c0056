import type { components } from '../openapi-types/openapi.d.ts'

type Problem = components['schemas']['Problem']
export type ErrorCode = Problem['code']

/** A request that was refused, or that could not be answered. */
export class ApiError extends Error {
  readonly status: number
  /** Decide by this one (docs/errors.md); null where something on the way answered that is not the product. */
  readonly code: ErrorCode | null
  readonly detail: string
  /** Whether the same request may work later. */
  readonly retry: boolean
  /** How long to wait before that, in milliseconds; null where the answer did not say. */
  readonly retryAfterMs: number | null

  constructor(status: number, problem: Problem | null, retryAfterMs: number | null) {
    super(problem === null ? `the answer was ${status}` : `${problem.code}: ${problem.title}: ${problem.detail}`)
    this.name = 'ApiError'
    this.status = status
    this.code = problem?.code ?? null
    this.detail = problem?.detail ?? ''
    this.retry = problem?.retry ?? (status === 429 || status >= 500)
    this.retryAfterMs = retryAfterMs
  }
}

/** RFC 9110 §10.2.3: seconds, or a date. */
function readRetryAfter(header: string | null): number | null {
  if (header === null) return null
  const milliseconds = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isNaN(milliseconds) ? null : Math.max(0, milliseconds)
}

async function readProblem(response: Response): Promise<Problem | null> {
  if (!response.headers.get('content-type')?.startsWith('application/problem+json')) return null
  return (await response.json()) as Problem
}

/** The error that an answer of no success is. */
export async function readApiError(response: Response): Promise<ApiError> {
  return new ApiError(response.status, await readProblem(response), readRetryAfter(response.headers.get('retry-after')))
}
