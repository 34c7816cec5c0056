import type { ErrorEntry } from './errors/error-entry.ts'
import { evidenceErrors } from './errors/evidence-errors.ts'
import { hostileErrors } from './errors/hostile-errors.ts'
import { identityErrors } from './errors/identity-errors.ts'
import { incidentErrors } from './errors/incident-errors.ts'
import { ingestErrors } from './errors/ingest-errors.ts'
import { keyErrors } from './errors/key-errors.ts'
import { oversightErrors } from './errors/oversight-errors.ts'
import { platformErrors } from './errors/platform-errors.ts'
import { sharingErrors } from './errors/sharing-errors.ts'
import { signingErrors } from './errors/signing-errors.ts'

/**
 * The one error table. A broken system, a refused request or a wrong setting is an AppError with a code from here; a
 * bad row is never an error, it is a Rejection. Messages never hold personal values.
 */
export const errorTable = {
  ...ingestErrors,
  ...sharingErrors,
  ...incidentErrors,
  ...oversightErrors,
  ...platformErrors,
  ...signingErrors,
  ...keyErrors,
  ...hostileErrors,
  ...evidenceErrors,
  ...identityErrors,
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof errorTable

/** A coded failure. `detail` says what was given, what was wanted and what to do, without personal values. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly detail: string

  constructor(code: ErrorCode, detail = '', options?: ErrorOptions) {
    super(detail === '' ? errorTable[code].en : `${errorTable[code].en}: ${detail}`, options)
    this.name = 'AppError'
    this.code = code
    this.detail = detail
  }

  get status(): number {
    return errorTable[this.code].status
  }

  get retry(): boolean {
    return errorTable[this.code].retry
  }
}

/** Any thrown thing as an AppError; what is not one of ours becomes INTERNAL and keeps its cause, never its text. */
export function toAppError(error: unknown): AppError {
  return error instanceof AppError ? error : new AppError('INTERNAL', '', { cause: error })
}
