import { AppError } from '../errors.ts'
import { hashesOfCode } from '../security/enrolment-code.ts'
import { hashPassword, isPassword } from '../security/passwords.ts'
import { seal } from '../security/seal.ts'
import { createTotpSecret, totpUri } from '../security/totp.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { endSessions } from '../store/sessions.ts'
import { findEnrolment, listFormerPasswords, takeEnrolment } from '../store/sign-in.ts'
import {
  assertGoodPassword,
  countAttempts,
  forgetAttempts,
  refusingEntry,
  totpBound,
  type SignInContext,
} from './sign-in.ts'

/** What an authenticator application needs; shown once. */
export interface SecondFactor {
  /** In Base32. */
  readonly secret: string
  readonly uri: string
}

export interface Enrolment {
  readonly name: string
  readonly enrolmentCode: string
  readonly password: string
  readonly address: string
}

async function assertNew({ database }: SignInContext, accountId: number, password: string): Promise<void> {
  for (const stored of await listFormerPasswords(database.query, accountId))
    if (await isPassword(password, stored)) throw new AppError('PASSWORD_WEAK', 'it was used before')
}

/**
 * Sets password and second factor by an enrolment code, which is used up. Throws SIGN_IN_LOCKED, ENROLMENT_INVALID,
 * PASSWORD_WEAK; all of them are audited.
 */
export async function enrol(context: SignInContext, given: Enrolment): Promise<SecondFactor> {
  const { database, keys, auditDeadlineMs, signIn: rules } = context
  const { name, enrolmentCode, password } = given
  return refusingEntry(context, name, async () => {
    await countAttempts(context, given)
    const accountId = await findEnrolment(database.query, name, hashesOfCode(keys, enrolmentCode))
    if (accountId === null) throw new AppError('ENROLMENT_INVALID')
    await forgetAttempts(context, given)
    assertGoodPassword(password, name, rules)
    await assertNew(context, accountId, password)
    const hashed = await hashPassword(password, rules.memoryKib)
    const secret = createTotpSecret()
    const totp = seal(keys.sealing, totpBound(accountId), secret)
    await auditBeforeAnswer(database, 'enrolment', auditDeadlineMs, async ({ query, audit }) => {
      if (!(await takeEnrolment(query, accountId, { password: hashed, totp }))) throw new AppError('ENROLMENT_INVALID')
      await endSessions(query, accountId)
      await audit({ type: 'account.enrolled', actor: `account:${name}`, outcome: 'ok' })
    })
    return { secret, uri: totpUri(secret, name) }
  })
}
