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

/** What an account is given with its role. */
export type Grant = Omit<Account, 'accountId' | 'name'>

export interface NewAccount extends Omit<Account, 'accountId'> {
  /** Keyed token of the staff number. */
  readonly person: string
  /** The approved request that it comes of; null for the first holder of an administration. */
  readonly requestId: number | null
}

export interface ListedAccount extends Omit<Account, 'accountId'> {
  readonly active: boolean
  readonly enrolled: boolean
  readonly createdAt: Date
  readonly lastSignInAt: Date | null
}

/** The number of a consumer by its name; null for none. Throws CONSUMER_UNKNOWN. */
export async function consumerIdOf(query: Query, consumer: string | null): Promise<number | null> {
  return consumer === null ? null : (await findConsumer(query, consumer)).consumerId
}

/** Keeps which of the three administrations a person holds, for good. The table of accounts refuses whoever holds another. */
async function keepAdministration(query: Query, person: string, role: Role): Promise<void> {
  await query(
    `insert into administration (person, administration)
       select $1, $2 where $2 in ('security-administrator', 'system-administrator', 'audit-administrator')
       on conflict (person) do nothing`,
    [person, role],
  )
}

/** Throws PERSON_HAS_ACCOUNT, or ADMINISTRATION_HELD where the person held another administration than this role is. */
export async function assertGrantable(
  query: Query,
  person: string,
  role: Role,
  exceptAccount: number | null,
): Promise<void> {
  const [found] = await query<{ accounts: number; held: string | null }>(
    `select (select count(*) from account where person = $1 and active and account_id is distinct from $2) as accounts,
            (select administration from administration where person = $1) as held`,
    [person, exceptAccount],
  )
  if ((found?.accounts ?? 0) > 0) throw new AppError('PERSON_HAS_ACCOUNT')
  const held = found?.held ?? role
  if (held !== role && role.endsWith('-administrator')) throw new AppError('ADMINISTRATION_HELD', `not ${role}`)
}

/**
 * Makes an account. Throws ACCOUNT_EXISTS when an account or a consumer has the name, CONSUMER_UNKNOWN, PERSON_HAS_ACCOUNT,
 * ADMINISTRATION_HELD; nothing is changed then.
 */
export async function insertAccount(query: Query, account: NewAccount): Promise<number> {
  const { name, role, department, person, requestId } = account
  await assertGrantable(query, person, role, null)
  await keepAdministration(query, person, role)
  const consumerId = await consumerIdOf(query, account.consumer)
  const [row] = await query<{ accountId: number }>(
    `insert into account (name, role, department, consumer_id, person, request_id) values ($1, $2, $3, $4, $5, $6)
       on conflict (name) do nothing returning account_id as "accountId"`,
    [name, role, department, consumerId, person, requestId],
  )
  if (row === undefined) throw new AppError('ACCOUNT_EXISTS', name)
  return row.accountId
}

/** The active account of this name, with its person. Throws ACCOUNT_UNKNOWN. */
export async function findAccountByName(
  query: Query,
  name: string,
): Promise<Account & { readonly person: string; readonly consumerId: number | null }> {
  const [account] = await query<Account & { person: string; consumerId: number | null }>(
    `select account_id as "accountId", account.name, role, department, consumer.name as consumer, person,
            account.consumer_id as "consumerId"
       from account left join consumer using (consumer_id) where account.name = $1 and active`,
    [name],
  )
  if (account === undefined) throw new AppError('ACCOUNT_UNKNOWN', name)
  return account
}

/** The active account of a person; null where there is none. */
export async function findAccountOfPerson(
  query: Query,
  person: string,
): Promise<Pick<Account, 'accountId' | 'name'> | null> {
  const [account] = await query<Pick<Account, 'accountId' | 'name'>>(
    'select account_id as "accountId", name from account where person = $1 and active',
    [person],
  )
  return account ?? null
}

/** Every account that there is or was, by name. */
export async function listAccounts(query: Query): Promise<readonly ListedAccount[]> {
  return query<ListedAccount>(
    `select account.name, role, department, consumer.name as consumer, active,
            password is not null as enrolled, account.created_at as "createdAt", last_at as "lastSignInAt"
       from account left join consumer using (consumer_id) left join sign_in using (account_id) order by account.name`,
  )
}

export interface RoleChange {
  readonly accountId: number
  readonly person: string
  readonly role: Role
  readonly department: string | null
  readonly consumerId: number | null
  readonly requestId: number
}

/** Gives an account another role. Throws PERSON_HAS_ACCOUNT, ADMINISTRATION_HELD, ACCOUNT_UNKNOWN for one that ended. */
export async function changeRole(query: Query, change: RoleChange): Promise<void> {
  const { accountId, person, role, department, consumerId, requestId } = change
  await assertGrantable(query, person, role, accountId)
  await keepAdministration(query, person, role)
  const rows = await query(
    `update account set role = $2, department = $3, consumer_id = $4, request_id = $5
      where account_id = $1 and active returning account_id`,
    [accountId, role, department, consumerId, requestId],
  )
  if (rows.length === 0) throw new AppError('ACCOUNT_UNKNOWN')
}

/** Lets the account in no more. Throws ACCOUNT_UNKNOWN. */
export async function disableAccount(query: Query, name: string): Promise<number> {
  const [row] = await query<{ accountId: number }>(
    `update account set active = false, ended_at = coalesce(ended_at, clock_timestamp()) where name = $1
       returning account_id as "accountId"`,
    [name],
  )
  if (row === undefined) throw new AppError('ACCOUNT_UNKNOWN', name)
  return row.accountId
}

/** Whether an active account holds this role. */
export async function isHeld(query: Query, role: Role): Promise<boolean> {
  const rows = await query('select from account where role = $1 and active limit 1', [role])
  return rows.length > 0
}
