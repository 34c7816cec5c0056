import { AppError } from '../errors.ts'
import type { Role } from '../security/permissions.ts'
import { findConsumer } from './consumers.ts'
import type { Query } from './database.ts'

/**
 * A person who uses the management API. `department` is the folder name of the one department, `consumer` the name of the one
 * consumer that the role is bound to; both are null for roles of the whole city.
 */
export interface Account {
  readonly accountId: number
  readonly name: string
  readonly role: Role
  readonly department: string | null
  readonly consumer: string | null
}

/** How the audit log names an account. */
export const actorOf = ({ name }: Pick<Account, 'name'>): string => `account:${name}`

export interface NewAccount extends Omit<Account, 'accountId'> {
  /** Keyed hash of the secret, in hexadecimal. */
  readonly secretHash: string
}

/** Throws ACCOUNT_EXISTS when an account or a consumer has the name, CONSUMER_UNKNOWN; nothing is changed then. */
export async function insertAccount(query: Query, account: NewAccount): Promise<number> {
  const consumerId = account.consumer === null ? null : (await findConsumer(query, account.consumer)).consumerId
  const [row] = await query<{ accountId: number }>(
    `insert into account (name, role, department, consumer_id, secret_hash) values ($1, $2, $3, $4, decode($5, 'hex'))
       on conflict (name) do nothing returning account_id as "accountId"`,
    [account.name, account.role, account.department, consumerId, account.secretHash],
  )
  if (row === undefined) throw new AppError('ACCOUNT_EXISTS', account.name)
  return row.accountId
}

/** Lets the account in no more; the tokens it holds end at once. Throws ACCOUNT_UNKNOWN. */
export async function disableAccount(query: Query, name: string): Promise<void> {
  const rows = await query('update account set active = false where name = $1 returning account_id', [name])
  if (rows.length === 0) throw new AppError('ACCOUNT_UNKNOWN', name)
}
