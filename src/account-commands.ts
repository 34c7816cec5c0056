import { randomBytes } from 'node:crypto'
import { checkClientName, operator, within } from './commands.ts'
import type { Config } from './config.ts'
import { AppError } from './errors.ts'
import { registeredDepartments } from './feeds/departments.ts'
import { roles, type Role } from './security/permissions.ts'
import { disableAccount, insertAccount } from './store/accounts.ts'

export interface AddedAccount {
  readonly account: string
  readonly role: Role
  readonly department: string | null
  /** Shown once; only a keyed hash is kept. */
  readonly secret: string
}

function parseRole(given: string): Role {
  const role = roles.find((one) => one === given)
  if (role === undefined)
    throw new AppError('USAGE_INVALID', `there is no role "${given}"; choose from ${roles.join(', ')}`)
  return role
}

function checkDepartment(role: Role, department: string | null): void {
  const isBound = role.startsWith('department-')
  const departments = registeredDepartments()
  if (isBound && !departments.has(department ?? ''))
    throw new AppError('USAGE_INVALID', `${role} needs --department; choose from ${[...departments.keys()].join(', ')}`)
  if (!isBound && department !== null)
    throw new AppError('USAGE_INVALID', `${role} is a role of the whole city; leave --department out`)
}

/** `account add`: makes an account for a person who uses the management API. */
export async function addAccount(
  config: Config,
  name: string,
  given: { readonly role: string; readonly department: string | null },
): Promise<AddedAccount> {
  checkClientName(name)
  const role = parseRole(given.role)
  const { department } = given
  checkDepartment(role, department)
  return within(config, async ({ database, keys }) => {
    const secret = randomBytes(32).toString('base64url')
    await database.transaction(async ({ query, audit }) => {
      await insertAccount(query, { name, role, department, secretHash: keys.token('credential', secret) })
      const object = `account/${name}`
      await audit({ type: 'account.added', actor: operator(), outcome: 'ok', object, details: { role, department } })
    })
    return { account: name, role, department, secret }
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
