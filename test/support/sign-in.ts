import type { SignInRules } from '../../src/http/sign-in.ts'
import type { KeyRing } from '../../src/security/key-ring.ts'
import type { Role } from '../../src/security/permissions.ts'
import { personOf } from '../../src/security/staff-number.ts'
import { totpCode, totpStep } from '../../src/security/totp.ts'
import { addFirstHolder, approveRequest, handOf, requestAccount } from '../../src/store/account-grants.ts'
import { findAccountByName, type Account, type Grant } from '../../src/store/accounts.ts'
import type { Database } from '../../src/store/database.ts'

/** As the product has them, but for the memory of one password, which would hold up every test. */
export const testSignIn: SignInRules = {
  memoryKib: 1024,
  length: 12,
  kinds: 3,
  days: 90,
  idleSeconds: 900,
  sessionSeconds: 43_200,
}

export const TEST_PASSWORD = 'Yq7!vR2#kL9$wB4&'

export interface RegisteredAccount {
  readonly name: string
  readonly accountId: number
  readonly enrolmentCode: string
}

interface Place {
  readonly database: Database
  readonly keys: KeyRing
}

interface Administrators {
  readonly system: Account
  readonly security: Account
}

const administrators = new WeakMap<Database, Promise<Administrators>>()

/** As an operator makes the first holders of the administrations. */
async function bootstrap({ database, keys }: Place): Promise<Administrators> {
  const first = async (name: string, role: Role): Promise<Account> => {
    const person = personOf(keys, `FIRST-${name}`)
    await database.transaction((transaction) =>
      addFirstHolder(transaction, keys, 'operator:test', { name, person, role }),
    )
    return findAccountByName(database.query, name)
  }
  return {
    system: await first('first-system', 'system-administrator'),
    security: await first('first-security', 'security-administrator'),
  }
}

/** The two who grant every other account of an installation. */
export function administratorsOf(place: Place): Promise<Administrators> {
  const known = administrators.get(place.database) ?? bootstrap(place)
  administrators.set(place.database, known)
  return known
}

/** An account as two administrators grant it; whose staff number nobody said has one of the name's own. */
export async function grantAccount(
  place: Place,
  wanted: Grant & { readonly name: string; readonly staffNumber?: string },
): Promise<RegisteredAccount> {
  const { database, keys } = place
  const { name, role, department, consumer, staffNumber = `STAFF-${name}` } = wanted
  const { system, security } = await administratorsOf(place)
  const person = personOf(keys, staffNumber.slice(0, 40))
  const { requestId, firstHalf } = await database.transaction((transaction) =>
    requestAccount(transaction, keys, handOf(system), { name, role, department, consumer, person }),
  )
  const { secondHalf } = await database.transaction((transaction) =>
    approveRequest(transaction, keys, requestId, security),
  )
  const { accountId } = await findAccountByName(database.query, name)
  return { name, accountId, enrolmentCode: `${firstHalf}.${secondHalf}` }
}

/** One request to the door, over a socket or without one. */
export type Post = (
  path: string,
  body: object,
) => Promise<{ readonly status: number; readonly body: Record<string, unknown> }>

/** Requests over a socket. */
export const postOver =
  (base: string): Post =>
  async (at, body) => {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(base + at, { method: 'POST', headers, body: JSON.stringify(body) })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }

/** What an authenticator application shows at this moment, or some steps from it. */
export const codeOf = (secret: string, ahead = 0): string => totpCode(secret, totpStep(Date.now()) + ahead)

/** Sets password and second factor. Returns the secret of the authenticator application. */
export async function enrolBy(post: Post, { name, enrolmentCode }: RegisteredAccount): Promise<string> {
  const { status, body } = await post('/api/v1/enrolment', { name, enrolmentCode, password: TEST_PASSWORD })
  if (status !== 200) throw new Error(`${name} could not enrol: ${JSON.stringify(body)}`)
  return body['secret'] as string
}

const bearers = new WeakMap<RegisteredAccount, Promise<string>>()

async function signInBy(post: Post, account: RegisteredAccount): Promise<string> {
  const code = codeOf(await enrolBy(post, account))
  const { status, body } = await post('/api/v1/session', { name: account.name, password: TEST_PASSWORD, code })
  if (status !== 200) throw new Error(`${account.name} could not sign in: ${JSON.stringify(body)}`)
  return `Bearer ${body['token'] as string}`
}

/** Lets somebody enrol and sign in, once: a second sign-in would end the first one's session. */
export function enter(post: Post, account: RegisteredAccount): Promise<string> {
  const known = bearers.get(account) ?? signInBy(post, account)
  bearers.set(account, known)
  return known
}
