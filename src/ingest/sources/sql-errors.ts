import { AppError } from '../../errors.ts'
import type { SqlDatabase } from './sql-dialect.ts'

/**
 * The coded form of what a driver threw. Of a database's answer only its code is taken over and it is not kept as the
 * cause: messages, details and statements quote row values. A broken connection keeps its cause, which is Node's own.
 */
export function toSqlError(error: unknown, what: string, { faultOf }: Pick<SqlDatabase, 'faultOf'>): AppError {
  if (error instanceof AppError) return error
  const fault = faultOf(error)
  if (fault !== null) {
    return new AppError(fault.passes ? 'SOURCE_UNAVAILABLE' : 'SOURCE_REFUSED', `${what} answered ${fault.code}`)
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'timeout or broken connection'
  return new AppError('SOURCE_UNAVAILABLE', `${what} did not answer (${code})`, { cause: error })
}
