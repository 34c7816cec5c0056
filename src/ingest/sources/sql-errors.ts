import { DatabaseError } from 'pg'
import { AppError } from '../../errors.ts'

// SQLSTATE classes that may pass by themselves: connection, transaction roll-back, resources, locks, operator intervention
// (also a statement timeout), system and internal errors. PostgreSQL, appendix A.
const passingClasses: ReadonlySet<string> = new Set(['08', '40', '53', '55', '57', '58', 'XX'])

/**
 * The coded form of what pg threw. Of a database error only the SQLSTATE is taken over and it is not kept as the cause:
 * its message, detail and where quote row values.
 */
export function toSqlError(error: unknown, what: string): AppError {
  if (error instanceof AppError) return error
  if (!(error instanceof DatabaseError)) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'timeout or broken connection'
    return new AppError('SOURCE_UNAVAILABLE', `${what} did not answer (${code})`, { cause: error })
  }
  const state = error.code ?? 'unknown'
  const code = passingClasses.has(state.slice(0, 2)) ? 'SOURCE_UNAVAILABLE' : 'SOURCE_REFUSED'
  return new AppError(code, `${what} answered SQLSTATE ${state}`)
}
