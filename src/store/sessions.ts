import { AppError } from '../errors.ts'
import type { Account } from './accounts.ts'
import type { Query } from './database.ts'

export interface NewSession {
  /** Keyed hash of the token, in hexadecimal. */
  readonly tokenHash: string
  readonly accountId: number
  /** It ends after so many seconds without a request, */
  readonly idleSeconds: number
  /** and after so many in any case. */
  readonly seconds: number
}

export interface Session {
  readonly account: Account
  readonly expiresAt: Date
  readonly idleSeconds: number
}

/** Opens the one session of an account; the one before has to be ended first. Returns when it ends at the latest. */
export async function insertSession(query: Query, session: NewSession): Promise<Date> {
  const { tokenHash, accountId, idleSeconds, seconds } = session
  const [row] = await query<{ expiresAt: Date }>(
    `insert into access_token (token_hash, kind, account_id, expires_at, seen_at, idle_seconds)
       values (decode($1, 'hex'), 'account', $2, clock_timestamp() + make_interval(secs => $3), clock_timestamp(), $4)
       returning expires_at as "expiresAt"`,
    [tokenHash, accountId, seconds, idleSeconds],
  )
  return row?.expiresAt ?? new Date()
}

/** Ends the session of an account at once; there may be none. */
export async function endSessions(query: Query, accountId: number): Promise<void> {
  await query('delete from access_token where account_id = $1', [accountId])
}

/** Whether a session is still good, which asking does not prolong. */
export async function isSessionAlive(query: Query, tokenHash: string): Promise<boolean> {
  const rows = await query(
    `select from access_token join account using (account_id)
      where token_hash = decode($1, 'hex') and expires_at > clock_timestamp() and active
        and seen_at > clock_timestamp() - make_interval(secs => idle_seconds)`,
    [tokenHash],
  )
  return rows.length > 0
}

interface SessionRow extends Account {
  readonly expiresAt: Date
  readonly idleSeconds: number
  readonly isRested: boolean
}

/** Notes that a session is used. Once in a fifteenth of its idle time is enough, and spares a write for most requests. */
async function touchSession(query: Query, tokenHash: string): Promise<void> {
  await query(`update access_token set seen_at = clock_timestamp() where token_hash = decode($1, 'hex')`, [tokenHash])
}

/** The living session of a token, and the active account behind it. Throws TOKEN_INVALID, also for the token of a consumer. */
export async function findSession(query: Query, tokenHash: string): Promise<Session> {
  const [row] = await query<SessionRow>(
    `select account_id as "accountId", account.name, role, department, consumer.name as consumer, expires_at as "expiresAt",
            idle_seconds as "idleSeconds", seen_at < clock_timestamp() - make_interval(secs => idle_seconds / 15.0) as "isRested"
       from access_token join account using (account_id) left join consumer on consumer.consumer_id = account.consumer_id
      where token_hash = decode($1, 'hex') and expires_at > clock_timestamp() and active
        and seen_at > clock_timestamp() - make_interval(secs => idle_seconds)`,
    [tokenHash],
  )
  if (row === undefined) throw new AppError('TOKEN_INVALID')
  const { expiresAt, idleSeconds, isRested, ...account } = row
  if (isRested) await touchSession(query, tokenHash)
  return { account, expiresAt, idleSeconds }
}
