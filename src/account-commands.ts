import { randomBytes } from 'node:crypto'
import { checkClientName, operator, within } from './commands.ts'
import type { Config } from './config.ts'
import { AppError } from './errors.ts'
import { registeredDepartments } from './feeds/departments.ts'
import { boundTo, roles, type Role } from './security/permissions.ts'
import { disableAccount, insertAccount } from './store/accounts.ts'

export interface AddedAccount {
  readonly account: string
  readonly role: Role
  readonly department: string | null
  readonly consumer: string | null
  /** Shown once; only a keyed hash is kept. */
  readonly secret: string
}

function parseRole(given: string): Role {
  const role = roles.find((one) => one === given)
  if (role === undefined)
    throw new AppError('USAGE_INVALID', `there is no role "${given}"; choose from ${roles.join(', ')}`)
  return role
}

/** What the role of an account is bound to. */
interface Bond {
  readonly department: string | null
  readonly consumer: string | null
}

function checkBond(role: Role, { department, consumer }: Bond): void {
  const bound = boundTo[role]
  const departments = registeredDepartments()
  if (bound === 'department' && !departments.has(department ?? ''))
    throw new AppError('USAGE_INVALID', `${role} needs --department; choose from ${[...departments.keys()].join(', ')}`)
  if (bound === 'consumer' && consumer === null)
    throw new AppError('USAGE_INVALID', `${role} needs --consumer, the name of a registered consumer`)
  if (bound !== 'department' && department !== null)
    throw new AppError('USAGE_INVALID', `${role} is not a role of a department; leave --department out`)
  if (bound !== 'consumer' && consumer !== null)
    throw new AppError('USAGE_INVALID', `${role} is not a role of a consumer; leave --consumer out`)
}

/** `account add`: makes an account for a person who uses the management API. */
export async function addAccount(
  config: Config,
  name: string,
  given: Bond & { readonly role: string },
): Promise<AddedAccount> {
  checkClientName(name)
  const role = parseRole(given.role)
  const { department, consumer } = given
  checkBond(role, given)
  return within(config, async ({ database, keys }) => {
    const secret = randomBytes(32).toString('base64url')
    await database.transaction(async ({ query, audit }) => {
      await insertAccount(query, { name, role, department, consumer, secretHash: keys.token('credential', secret) })
      const object = `account/${name}`
      const details = { role, department, consumer }
      await audit({ type: 'account.added', actor: operator(), outcome: 'ok', object, details })
    })
    return { account: name, role, department, consumer, secret }
  })
}

/** `account disable`: ends an account and the tokens it holds. What it did stays under its name. */
export async function endAccount(config: Config, name: string): Promise<{ readonly account: string }> {
  return within(config, async ({ database }) => {
    await database.transaction(async ({ query, audit }) => {
      await disableAccount(query, name)
      await audit({ type: 'account.disabled', actor: operator(), outcome: 'ok', object: `account/${name}` })
    })
    return { account: name }
  })
}
