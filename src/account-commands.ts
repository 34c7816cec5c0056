import { checkClientName, operator, within } from './commands.ts'
import type { Config } from './config.ts'
import { AppError } from './errors.ts'
import { registeredDepartments } from './feeds/departments.ts'
import { boundTo, roles, type Role } from './security/permissions.ts'
import { personOf } from './security/staff-number.ts'
import { addFirstHolder, endAccount, requestAccount } from './store/account-grants.ts'

/** An account that was made, with its enrolment code, or one that waits for an administrator, with half of the code. */
export interface AddedAccount {
  readonly account: string
  readonly role: Role
  readonly department: string | null
  readonly consumer: string | null
  /** What the person enrols with, shown once; null while an administrator has to agree. */
  readonly enrolmentCode: string | null
  /** The request that waits; null where nobody has to agree. */
  readonly requestId: number | null
  /** The operator's half of the enrolment code, shown once; the administrator who agrees gets the other. */
  readonly firstHalf: string | null
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

/**
 * `account add`: makes the first holder of each of the three administrations; every other account waits until an administrator agrees
 * over the API.
 */
export async function addAccount(
  config: Config,
  name: string,
  given: Bond & { readonly role: string; readonly staffNumber: string },
): Promise<AddedAccount> {
  checkClientName(name)
  const role = parseRole(given.role)
  const { department, consumer } = given
  checkBond(role, given)
  return within(config, ({ database, keys }) =>
    database.transaction(async (transaction) => {
      const person = personOf(keys, given.staffNumber)
      const added = { account: name, role, department, consumer }
      const enrolmentCode = await addFirstHolder(transaction, keys, operator(), { name, person, role })
      if (enrolmentCode !== null) return { ...added, enrolmentCode, requestId: null, firstHalf: null }
      const hand = { requester: { operator: operator() }, actor: operator() }
      const asked = await requestAccount(transaction, keys, hand, { name, person, role, department, consumer })
      return { ...added, enrolmentCode: null, ...asked }
    }),
  )
}

/** `account disable`: ends an account and its session. What it did stays under its name. */
export async function disableAccount(config: Config, name: string): Promise<{ readonly account: string }> {
  return within(config, async ({ database }) => {
    await database.transaction((transaction) => endAccount(transaction, operator(), name))
    return { account: name }
  })
}
