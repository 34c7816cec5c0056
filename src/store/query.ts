import { hash } from 'node:crypto'
import type pg from 'pg'
import { AppError } from '../errors.ts'

/** Runs one statement and returns its rows. `$1` … in order of `values`. */
export type Query = <Row = Record<string, unknown>>(
  text: string,
  values?: readonly unknown[],
) => Promise<readonly Row[]>

const preparedNames = new Map<string, string>()

/**
 * Makes a statement one that each connection parses once and plans a few times: for those that every answer asks, where that is half of
 * their cost. The name follows from the text, so that no two share one. Returns the text.
 */
export function prepared(text: string): string {
  if (!preparedNames.has(text)) preparedNames.set(text, hash('sha256', text).slice(0, 32))
  return text
}

const connectionSqlStates = new Set(['57P01', '57P02', '57P03', '08000', '08003', '08006', '53300', '25P03', '57014'])
const connectionErrnos = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EHOSTUNREACH'])

/** What `gridbridge.assert_not_frozen` raises. */
const FROZEN = 'GB503'
/** A freeze holds for hours or days; who asks again every half minute sees it lifted soon enough. */
const FROZEN_RETRY_MS = 30_000

/** What the triggers on sealed values raise. */
const RETIRED = 'GB005'

/** PostgreSQL puts row values into `detail`, so neither its message nor its detail is passed on, only the SQLSTATE. */
export function toDatabaseError(error: unknown): AppError {
  if (error instanceof AppError) return error
  const code = (error as { code?: string } | null)?.code ?? ''
  const message = error instanceof Error ? error.message : ''
  // Of our own making: it says which freeze, by number.
  if (code === FROZEN) return new AppError('FROZEN', message, { cause: { retryAfterMs: FROZEN_RETRY_MS } })
  const lost =
    connectionSqlStates.has(code) ||
    connectionErrnos.has(code) ||
    /^(Connection terminated|timeout exceeded|Query read timeout|Client was closed|Client has encountered)/.test(
      message,
    )
  if (lost) return new AppError('DATABASE_UNAVAILABLE', code, { cause: error })
  if (code === RETIRED) return new AppError('KEY_RETIRED', 'sealed with a key that is retired', { cause: error })
  if (code === '42P01' || code === '3F000') return new AppError('DATABASE_OUTDATED', code, { cause: error })
  return new AppError('INTERNAL', `SQLSTATE ${code || 'none'}`, { cause: error })
}

/** Statements on one connection, or on any of a pool. */
export const queryOn =
  (client: pg.PoolClient | pg.Pool): Query =>
  async <Row>(text: string, values: readonly unknown[] = []) => {
    const name = preparedNames.get(text)
    const statement = { text, values: values as unknown[] }
    try {
      const result = await client.query(name === undefined ? statement : { ...statement, name })
      const rows = result.rows as Row[]
      // Finished statements hang together in the driver until the old space is collected, and would keep 86 % of all rows so long.
      result.rows = []
      return rows
    } catch (error) {
      throw toDatabaseError(error)
    }
  }
