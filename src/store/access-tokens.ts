import { AppError } from '../errors.ts'
import type { Account } from './accounts.ts'
import type { Query } from './database.ts'

/** Whoever can get an access token: a system that receives data, or a person who uses the management API. */
export interface TokenHolder {
  readonly kind: 'consumer' | 'account'
  readonly id: number
}

/** A holder of this name with the keyed hash of its secret, in hexadecimal; null where there is none that may come in. */
export async function findTokenHolder(
  query: Query,
  name: string,
): Promise<(TokenHolder & { readonly secretHash: string }) | null> {
  const [holder] = await query<TokenHolder & { readonly secretHash: string }>(
    `select 'consumer' as kind, consumer_id as id, encode(secret_hash, 'hex') as "secretHash" from consumer where name = $1
     union all
     select 'account', account_id, encode(secret_hash, 'hex') from account where name = $1 and active`,
    [name],
  )
  return holder ?? null
}

/** Keeps the keyed hash of an access token until it runs out. */
export async function insertToken(
  query: Query,
  tokenHash: string,
  { kind, id }: TokenHolder,
  seconds: number,
): Promise<void> {
  await query('delete from access_token where expires_at < clock_timestamp()')
  await query(
    `insert into access_token (token_hash, kind, consumer_id, account_id, expires_at)
       values (decode($1, 'hex'), $2, $3, $4, clock_timestamp() + make_interval(secs => $5))`,
    [tokenHash, kind, kind === 'consumer' ? id : null, kind === 'account' ? id : null, seconds],
  )
}

/** The consumer a living token belongs to. Throws TOKEN_INVALID, also for the token of an account. */
export async function findConsumerOfToken(
  query: Query,
  tokenHash: string,
): Promise<{ readonly consumerId: number; readonly name: string }> {
  const [row] = await query<{ consumerId: number; name: string }>(
    `select consumer_id as "consumerId", name from access_token join consumer using (consumer_id)
      where token_hash = decode($1, 'hex') and expires_at > clock_timestamp()`,
    [tokenHash],
  )
  if (row === undefined) throw new AppError('TOKEN_INVALID')
  return row
}

/** The active account a living token belongs to. Throws TOKEN_INVALID, also for the token of a consumer. */
export async function findAccountOfToken(query: Query, tokenHash: string): Promise<Account> {
  const [account] = await query<Account>(
    `select account_id as "accountId", account.name, role, department, consumer.name as consumer
       from access_token join account using (account_id) left join consumer on consumer.consumer_id = account.consumer_id
      where token_hash = decode($1, 'hex') and expires_at > clock_timestamp() and active`,
    [tokenHash],
  )
  if (account === undefined) throw new AppError('TOKEN_INVALID')
  return account
}
