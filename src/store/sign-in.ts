import type { Query } from './database.ts'

/** What is kept of how somebody comes in. */
export interface SignIn {
  readonly accountId: number
  /** argon2id as a PHC string. */
  readonly password: string
  readonly passwordSetAt: Date
  /** Sealed. */
  readonly totp: Buffer
}

/** How an active account of this name comes in; null where there is none or nobody enrolled. */
export async function findSignIn(query: Query, name: string): Promise<SignIn | null> {
  const [found] = await query<SignIn>(
    `select account_id as "accountId", password, password_set_at as "passwordSetAt", totp
       from sign_in join account using (account_id) where name = $1 and active and password is not null`,
    [name],
  )
  return found ?? null
}

/** Hours that an enrolment code is good for. */
const ENROLMENT_HOURS = 72

/** Lets the account enrol by a code of these two halves (keyed hashes); until it does, it comes in no more. */
export async function renewEnrolment(
  query: Query,
  accountId: number,
  firstHalf: string,
  secondHalf: string,
): Promise<void> {
  await query(
    `insert into sign_in (account_id, first_half, second_half, code_expires_at)
       values ($1, decode($2, 'hex'), decode($3, 'hex'), clock_timestamp() + make_interval(hours => $4))
       on conflict (account_id) do update
         set first_half = excluded.first_half, second_half = excluded.second_half, code_expires_at = excluded.code_expires_at,
             password = null, password_set_at = null, totp = null, totp_step = null`,
    [accountId, firstHalf, secondHalf, ENROLMENT_HOURS],
  )
}

/** The account that a living enrolment code is for; null where there is none. */
export async function findEnrolment(
  query: Query,
  name: string,
  [first, second]: readonly [string, string],
): Promise<number | null> {
  const [found] = await query<{ accountId: number }>(
    `select account_id as "accountId" from sign_in join account using (account_id)
      where name = $1 and active and first_half = decode($2, 'hex') and second_half = decode($3, 'hex')
        and code_expires_at > clock_timestamp()`,
    [name, first, second],
  )
  return found?.accountId ?? null
}

/** Takes the code and sets both factors. False where another request was faster. */
export async function takeEnrolment(
  query: Query,
  accountId: number,
  factors: { readonly password: string; readonly totp: Uint8Array },
): Promise<boolean> {
  const rows = await query(
    `update sign_in set password = $2, totp = $3, password_set_at = clock_timestamp(), totp_step = null, failures = 0,
            first_half = null, second_half = null, code_expires_at = null
      where account_id = $1 and first_half is not null returning account_id`,
    [accountId, factors.password, factors.totp],
  )
  return rows.length > 0
}

/** Uses up the code of a step: no code of this step or of an earlier one lets anybody in again. False where it was used up. */
export async function takeStep(query: Query, accountId: number, step: number): Promise<boolean> {
  const rows = await query(
    'update sign_in set totp_step = $2 where account_id = $1 and (totp_step is null or totp_step < $2) returning account_id',
    [accountId, step],
  )
  return rows.length > 0
}

export async function setPassword(query: Query, accountId: number, password: string): Promise<void> {
  await query('update sign_in set password = $2, password_set_at = clock_timestamp() where account_id = $1', [
    accountId,
    password,
  ])
}

/** The same password under today's parameters; its age stays. */
export async function rehashPassword(query: Query, accountId: number, password: string): Promise<void> {
  await query('update sign_in set password = $2 where account_id = $1', [accountId, password])
}

export async function keepFormerPassword(query: Query, accountId: number): Promise<void> {
  await query(
    `insert into former_password (account_id, password, set_at)
       select account_id, password, password_set_at from sign_in where account_id = $1 and password is not null
       on conflict do nothing`,
    [accountId],
  )
}

/** Forgets the former passwords of an account but the newest. */
export async function forgetFormerPasswords(query: Query, accountId: number, keep: number): Promise<void> {
  await query(
    `delete from former_password where account_id = $1 and set_at not in
       (select set_at from former_password where account_id = $1 order by set_at desc limit $2)`,
    [accountId, keep],
  )
}

export async function listFormerPasswords(query: Query, accountId: number): Promise<readonly string[]> {
  const rows = await query<{ password: string }>('select password from former_password where account_id = $1', [
    accountId,
  ])
  return rows.map(({ password }) => password)
}

/** What a person is told at the next sign-in. */
export interface LastSignIn {
  readonly at: Date | null
  /** Attempts that failed since then. */
  readonly failures: number
}

/** Notes a sign-in and returns what was before it. */
export async function noteSignIn(query: Query, accountId: number): Promise<LastSignIn> {
  const [before] = await query<LastSignIn>(
    `update sign_in set last_at = clock_timestamp(), failures = 0
       from (select account_id, last_at, failures from sign_in where account_id = $1 for update) before
      where sign_in.account_id = before.account_id returning before.last_at as at, before.failures`,
    [accountId],
  )
  return before ?? { at: null, failures: 0 }
}

/** Notes that somebody was not let in by this name. Returns the number of the account; null where there is none. */
export async function noteRefusal(query: Query, name: string): Promise<number | null> {
  const [row] = await query<{ accountId: number }>(
    `update sign_in set failures = failures + 1 from account
      where sign_in.account_id = account.account_id and name = $1 and active returning account.account_id as "accountId"`,
    [name],
  )
  return row?.accountId ?? null
}

/** How many attempts of a subject may fail, and how the wait grows: doubled from 30 s on, to 15 min at most. */
const FIRST_WAIT_SECONDS = 30
const MOST_WAIT_SECONDS = 900

/**
 * Counts an attempt before it is looked at, so that many at once count as many; it is taken back when it succeeds. The one that uses
 * up what is free locks the subject. Returns for how many seconds the subject is locked already; 0: the attempt may be looked at.
 */
export async function countAttempt(query: Query, subject: string, free: number): Promise<number> {
  const counted = await query(
    `insert into sign_in_failure as kept (subject, failures, last_at) values ($1, 1, clock_timestamp())
       on conflict (subject) do update set last_at = clock_timestamp(),
         failures = case when kept.last_at < clock_timestamp() - interval '1 day' then 1 else kept.failures + 1 end,
         locked_until = case when kept.last_at >= clock_timestamp() - interval '1 day' and kept.failures + 1 >= $2 then
           clock_timestamp() + least($4, $3 * power(2, least(kept.failures + 1 - $2, 20))) * interval '1 second' end
       where kept.locked_until is null or kept.locked_until <= clock_timestamp()
     returning subject`,
    [subject, free, FIRST_WAIT_SECONDS, MOST_WAIT_SECONDS],
  )
  return counted.length > 0 ? 0 : secondsLocked(query, subject)
}

async function secondsLocked(query: Query, subject: string): Promise<number> {
  const [row] = await query<{ seconds: number }>(
    `select greatest(1, ceil(extract(epoch from locked_until - clock_timestamp())))::int as seconds
       from sign_in_failure where subject = $1`,
    [subject],
  )
  return row?.seconds ?? 1
}

export async function forgetFailures(query: Query, subject: string): Promise<void> {
  await query('delete from sign_in_failure where subject = $1', [subject])
}

/** Takes one attempt back that was counted and succeeded. */
export async function takeBackAttempt(query: Query, subject: string): Promise<void> {
  await query(
    'update sign_in_failure set failures = greatest(0, failures - 1), locked_until = null where subject = $1',
    [subject],
  )
}

/** Removes what has not failed for a day. */
export async function forgetOldFailures(query: Query): Promise<void> {
  await query(`delete from sign_in_failure where last_at < clock_timestamp() - interval '1 day'`)
}
