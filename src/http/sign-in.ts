import { randomBytes } from 'node:crypto'
import { AppError, toAppError } from '../errors.ts'
import type { CityIdentity } from '../security/city-identity.ts'
import { faultOfPassword, type PasswordRules } from '../security/password-rules.ts'
import { hashPassword, isOutdated, isPassword } from '../security/passwords.ts'
import { open } from '../security/seal.ts'
import { findTotpStep } from '../security/totp.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import type { Transaction } from '../store/database.ts'
import { endSessions, insertSession } from '../store/sessions.ts'
import {
  countAttempt,
  findSignIn,
  forgetFailures,
  forgetFormerPasswords,
  keepFormerPassword,
  listFormerPasswords,
  noteRefusal,
  noteSignIn,
  rehashPassword,
  setPassword,
  takeBackAttempt,
  takeStep,
  type LastSignIn,
  type SignIn,
} from '../store/sign-in.ts'
import type { ClientContext } from './clients.ts'

/** How people come in; what a city may set. */
export interface SignInRules extends PasswordRules {
  /** Memory of one argon2id, in KiB. */
  readonly memoryKib: number
  /** A session ends after so many seconds without a request, */
  readonly idleSeconds: number
  /** and after so many in any case. */
  readonly sessionSeconds: number
}

export interface SignInContext extends ClientContext {
  readonly signIn: SignInRules
  /** The city's identity service; null where people have local accounts only. */
  readonly cityIdentity: CityIdentity | null
}

/** What somebody gives to come in. */
export interface Factors {
  readonly name: string
  readonly password: string
  readonly code: string
  /** Where the request came from. */
  readonly address: string
}

/** Attempts that are free before the first wait: of one name, and of one address, behind which may be a whole office. */
const FREE_OF_NAME = 5
const FREE_OF_ADDRESS = 50

/** A person may not take one of so many former passwords again. */
const FORMER_PASSWORDS = 5

interface Attempt {
  readonly subject: string
  readonly free: number
}

/** Unknown names are counted and locked like known ones, so that a wait tells nothing. */
const attemptsOf = (
  { keys }: ClientContext,
  { name, address }: Pick<Factors, 'name' | 'address'>,
): readonly Attempt[] => [
  { subject: keys.token('credential', `sign-in|name|${name}`), free: FREE_OF_NAME },
  { subject: keys.token('credential', `sign-in|address|${address}`), free: FREE_OF_ADDRESS },
]

/** Throws SIGN_IN_LOCKED with how long to wait. */
export async function countAttempts(context: ClientContext, who: Pick<Factors, 'name' | 'address'>): Promise<void> {
  for (const { subject, free } of attemptsOf(context, who)) {
    const seconds = await countAttempt(context.database.query, subject, free)
    if (seconds > 0)
      throw new AppError('SIGN_IN_LOCKED', `${seconds} s`, {
        cause: { refused: 'locked', retryAfterMs: seconds * 1000 },
      })
  }
}

export async function forgetAttempts(context: ClientContext, who: Pick<Factors, 'name' | 'address'>): Promise<void> {
  const [name, address] = attemptsOf(context, who)
  await forgetFailures(context.database.query, name?.subject ?? '')
  await takeBackAttempt(context.database.query, address?.subject ?? '')
}

/** What the audit log says and the answer does not. */
const refusal = (refused: 'unknown' | 'password' | 'code' | 'used'): AppError =>
  new AppError('SIGN_IN_REFUSED', '', { cause: { refused } })

const reasonOf = ({ code, cause }: AppError): string => (cause as { refused?: string } | undefined)?.refused ?? code

/** Writes down that somebody was not let in, and passes it on. Throws AUDIT_UNAVAILABLE. */
export async function refusingEntry<Result>(
  { database, auditDeadlineMs }: ClientContext,
  name: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    const coded = toAppError(error)
    if (coded.status < 500)
      await auditBeforeAnswer(database, coded.code, auditDeadlineMs, async ({ query, audit }) => {
        // A name that nobody has may be anything that somebody typed, so it is not written down.
        const actor = (await noteRefusal(query, name)) === null ? 'unknown' : `account:${name}`
        await audit({ type: 'session.refused', actor, outcome: 'denied', details: { reason: reasonOf(coded) } })
      })
    throw coded
  }
}

const decoys = new Map<number, Promise<string>>()

/** A password that nobody has, so that an unknown name takes as long as a wrong password. */
function decoyOf(memoryKib: number): Promise<string> {
  const decoy = decoys.get(memoryKib) ?? hashPassword(randomBytes(32).toString('base64'), memoryKib)
  decoys.set(memoryKib, decoy)
  return decoy
}

export const totpBound = (accountId: number): string => `totp|${accountId}`

interface Proven {
  readonly held: SignIn
  /** The step of the code, which is not used up yet. */
  readonly step: number
}

/** Checks both factors. Throws SIGN_IN_LOCKED, SIGN_IN_REFUSED, BUSY. */
async function proveFactors(context: SignInContext, factors: Factors): Promise<Proven> {
  await countAttempts(context, factors)
  const held = await findSignIn(context.database.query, factors.name)
  const isRight = await isPassword(factors.password, held?.password ?? (await decoyOf(context.signIn.memoryKib)))
  if (held === null) throw refusal('unknown')
  if (!isRight) throw refusal('password')
  const secret = open(context.keys.sealKey, totpBound(held.accountId), held.totp)
  const step = findTotpStep(secret, factors.code, Date.now())
  if (step === null) throw refusal('code')
  await forgetAttempts(context, factors)
  return { held, step }
}

const DAY_MS = 86_400_000

/** When a password has to be changed; null: never. */
const expiryOf = ({ passwordSetAt }: SignIn, { days }: PasswordRules): Date | null =>
  days === 0 ? null : new Date(passwordSetAt.getTime() + days * DAY_MS)

export interface OpenedSession {
  readonly token: string
  readonly expiresAt: Date
  readonly idleSeconds: number
  readonly passwordExpiresAt: Date | null
  readonly lastSignIn: LastSignIn
}

async function takeCode({ query }: Transaction, { held, step }: Proven): Promise<void> {
  if (!(await takeStep(query, held.accountId, step))) throw refusal('used')
}

/** Opens the session of an account in place of the one that it had. */
export async function openSession(
  { keys, signIn: { idleSeconds, sessionSeconds: seconds } }: SignInContext,
  { query }: Transaction,
  accountId: number,
): Promise<Pick<OpenedSession, 'token' | 'expiresAt' | 'idleSeconds'>> {
  const token = randomBytes(32).toString('base64url')
  await endSessions(query, accountId)
  const tokenHash = keys.token('credential', token)
  return { token, idleSeconds, expiresAt: await insertSession(query, { tokenHash, accountId, idleSeconds, seconds }) }
}

/**
 * Lets a person in by password and code, and ends the session that there was. Throws SIGN_IN_LOCKED, SIGN_IN_REFUSED,
 * PASSWORD_EXPIRED; all of them are audited.
 */
export async function signIn(context: SignInContext, factors: Factors): Promise<OpenedSession> {
  const { database, auditDeadlineMs, signIn: rules } = context
  const { name, password } = factors
  return refusingEntry(context, name, async () => {
    const proven = await proveFactors(context, factors)
    const passwordExpiresAt = expiryOf(proven.held, rules)
    if (passwordExpiresAt !== null && passwordExpiresAt.getTime() < Date.now())
      throw new AppError('PASSWORD_EXPIRED', `it was set more than ${rules.days} days ago`)
    const { accountId, password: stored } = proven.held
    const rehashed = isOutdated(stored, rules.memoryKib) ? await hashPassword(password, rules.memoryKib) : null
    return auditBeforeAnswer(database, 'session', auditDeadlineMs, async (transaction) => {
      await takeCode(transaction, proven)
      if (rehashed !== null) await rehashPassword(transaction.query, accountId, rehashed)
      const lastSignIn = await noteSignIn(transaction.query, accountId)
      const session = await openSession(context, transaction, accountId)
      await transaction.audit({ type: 'session.opened', actor: `account:${name}`, outcome: 'ok' })
      return { ...session, passwordExpiresAt, lastSignIn }
    })
  })
}

/** Throws PASSWORD_WEAK. */
export function assertGoodPassword(password: string, name: string, rules: PasswordRules): void {
  const fault = faultOfPassword(password, name, rules)
  if (fault !== null) throw new AppError('PASSWORD_WEAK', fault)
}

async function assertNew(context: SignInContext, { held }: Proven, password: string): Promise<void> {
  const former = await listFormerPasswords(context.database.query, held.accountId)
  for (const stored of [held.password, ...former])
    if (await isPassword(password, stored)) throw new AppError('PASSWORD_WEAK', 'it was used before')
}

/**
 * Changes a password by both factors, also one that has run out, and ends the session that there was. Throws PASSWORD_WEAK and as
 * `signIn`.
 */
export async function changePassword(context: SignInContext, factors: Factors, wanted: string): Promise<void> {
  const { database, auditDeadlineMs, signIn: rules } = context
  const { name } = factors
  await refusingEntry(context, name, async () => {
    const proven = await proveFactors(context, factors)
    assertGoodPassword(wanted, name, rules)
    await assertNew(context, proven, wanted)
    const { accountId } = proven.held
    const hashed = await hashPassword(wanted, rules.memoryKib)
    await auditBeforeAnswer(database, 'password', auditDeadlineMs, async (transaction) => {
      const { query, audit } = transaction
      await takeCode(transaction, proven)
      await keepFormerPassword(query, accountId)
      await forgetFormerPasswords(query, accountId, FORMER_PASSWORDS)
      await setPassword(query, accountId, hashed)
      await endSessions(query, accountId)
      await audit({ type: 'password.changed', actor: `account:${name}`, outcome: 'ok' })
    })
  })
}
