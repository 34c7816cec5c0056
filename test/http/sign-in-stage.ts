import type { FastifyInstance } from 'fastify'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { codeOf, enrolBy, grantAccount, TEST_PASSWORD, type RegisteredAccount } from '../support/sign-in.ts'
import { openDoor, postTo } from './door.ts'

/** What somebody gives instead of what would let them in. */
export interface Given {
  readonly name?: string
  readonly password?: string
  readonly code?: string
}

type Posted = ReturnType<ReturnType<typeof postTo>>

/** A door, and one person after another who enrolled. */
export interface SignInStage {
  readonly installation: TestInstallation
  readonly server: FastifyInstance
  readonly register: () => Promise<RegisteredAccount>
  /** The next person, whom no failed attempt of before holds up. */
  readonly next: () => Promise<SomePerson>
  readonly close: () => Promise<void>
}

export interface SomePerson extends RegisteredAccount {
  readonly secret: string
  readonly signIn: (given?: Given) => Posted
  readonly change: (newPassword: string, given?: Given) => Posted
}

/** The status that the session of a token is shown with. */
export const showSession = async (server: FastifyInstance, token: unknown): Promise<number> => {
  const headers = { authorization: `Bearer ${String(token)}` }
  return (await server.inject({ url: '/api/v1/session', headers })).statusCode
}

export async function openSignInStage(): Promise<SignInStage> {
  const installation = await openTestInstallation('api')
  const server = await openDoor(installation)
  const post = postTo(server)
  let count = 0
  const register = (): Promise<RegisteredAccount> => {
    count += 1
    const wanted = { role: 'audit-administrator', department: null, consumer: null } as const
    return grantAccount(installation, { ...wanted, name: `p${count}` })
  }
  const next = async (): Promise<SomePerson> => {
    await installation.asOwner('truncate gridbridge.sign_in_failure')
    const account = await register()
    const secret = await enrolBy(post, account)
    const right = (ahead: number) => ({ name: account.name, password: TEST_PASSWORD, code: codeOf(secret, ahead) })
    return {
      ...account,
      secret,
      signIn: (given = {}) => post('/api/v1/session', { ...right(0), ...given }),
      change: (newPassword, given = {}) => post('/api/v1/password', { ...right(1), ...given, newPassword }),
    }
  }
  const close = async (): Promise<void> => {
    await server.close()
    await installation.close()
  }
  return { installation, server, register, next, close }
}
