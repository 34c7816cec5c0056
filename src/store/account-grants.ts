import { AppError } from '../errors.ts'
import { createHalf, hashOfHalf, wholeCode } from '../security/enrolment-code.ts'
import type { KeyRing } from '../security/key-ring.ts'
import type { Role } from '../security/permissions.ts'
import {
  closeRequest,
  insertRequest,
  lockRequest,
  personOfAccount,
  type OpenRequest,
  type Requester,
  type RequestKind,
} from './account-requests.ts'
import {
  actorOf,
  assertGrantable,
  changeRole,
  consumerIdOf,
  disableAccount,
  findAccountByName,
  insertAccount,
  isHeld,
  type Account,
  type Grant,
} from './accounts.ts'
import type { Query, Transaction } from './database.ts'
import { endSessions } from './sessions.ts'
import { keepFormerPassword, renewEnrolment } from './sign-in.ts'

/** Who does it, and as whom the audit log has it. */
export interface Hand {
  readonly requester: Requester
  readonly actor: string
}

export const handOf = (account: Account): Hand => ({
  requester: { accountId: account.accountId, role: account.role },
  actor: actorOf(account),
})

/** What waits for another person. `firstHalf` is half of the enrolment code, shown once; null for a change of role. */
export interface AskedRequest {
  readonly requestId: number
  readonly firstHalf: string | null
}

interface Asked extends Grant {
  readonly kind: RequestKind
  readonly name: string
  readonly person: string
  readonly accountId: number | null
}

async function assertForAnother(query: Query, { requester }: Hand, person: string): Promise<void> {
  if (requester.accountId !== undefined && (await personOfAccount(query, requester.accountId)) === person)
    throw new AppError('SECOND_PERSON', 'nobody asks for an account or a role of his own')
}

async function ask({ query, audit }: Transaction, keys: KeyRing, hand: Hand, asked: Asked): Promise<AskedRequest> {
  const { kind, name, person, accountId, role, department, consumer } = asked
  await assertForAnother(query, hand, person)
  await assertGrantable(query, person, role, accountId)
  const half = kind === 'role' ? null : createHalf()
  const firstHalf = half === null ? null : hashOfHalf(keys, half)
  const consumerId = await consumerIdOf(query, consumer)
  const kept = { kind, name, person, accountId, role, department, consumerId, firstHalf }
  const requestId = await insertRequest(query, { ...kept, requester: hand.requester })
  const details = { request: requestId, kind, role, department, consumer }
  await audit({ type: 'account.requested', actor: hand.actor, outcome: 'ok', object: `account/${name}`, details })
  return { requestId, firstHalf: half }
}

async function assertNameFree(query: Query, name: string): Promise<void> {
  const taken = await query('select from client_name where name = $1', [name])
  if (taken.length > 0) throw new AppError('ACCOUNT_EXISTS', name)
}

/** Asks for an account. Throws ACCOUNT_EXISTS, PERSON_HAS_ACCOUNT, ADMINISTRATION_HELD, SECOND_PERSON, ACCOUNT_REQUEST_STATE. */
export async function requestAccount(
  transaction: Transaction,
  keys: KeyRing,
  hand: Hand,
  wanted: Grant & { readonly name: string; readonly person: string },
): Promise<AskedRequest> {
  await assertNameFree(transaction.query, wanted.name)
  return ask(transaction, keys, hand, { ...wanted, kind: 'add', accountId: null })
}

/** Asks for another role of an account. Throws ACCOUNT_UNKNOWN and as `requestAccount`. */
export async function requestRole(
  transaction: Transaction,
  keys: KeyRing,
  hand: Hand,
  wanted: Grant & { readonly name: string },
): Promise<AskedRequest> {
  const { accountId, person } = await findAccountByName(transaction.query, wanted.name)
  return ask(transaction, keys, hand, { ...wanted, kind: 'role', accountId, person })
}

/** Asks that somebody who lost password or second factor may enrol anew. Throws as `requestRole`. */
export async function requestEnrolment(
  transaction: Transaction,
  keys: KeyRing,
  hand: Hand,
  name: string,
): Promise<AskedRequest> {
  const account = await findAccountByName(transaction.query, name)
  return ask(transaction, keys, hand, { ...account, kind: 'enrolment' })
}

/** Another person, of another administration, and not for himself: what the table of requests demands too. */
async function assertSecond(query: Query, request: OpenRequest, decider: Account): Promise<void> {
  const person = await personOfAccount(query, decider.accountId)
  if (person === request.requestedPerson || person === request.person)
    throw new AppError('SECOND_PERSON', 'neither who asked nor whom it is for decides')
  if (decider.role === request.requestedRole)
    throw new AppError('SECOND_PERSON', `an account of another administration than ${decider.role} decides`)
}

interface Approval {
  readonly request: OpenRequest
  readonly actor: string
  readonly keys: KeyRing
}

/** Lets the account enrol; the half that comes with the approval is shown once. */
async function giveCode(query: Query, { request, keys }: Approval, accountId: number): Promise<string> {
  const half = createHalf()
  await endSessions(query, accountId)
  await keepFormerPassword(query, accountId)
  await renewEnrolment(query, accountId, request.firstHalf ?? '', hashOfHalf(keys, half))
  return half
}

interface Granted {
  readonly accountId: number
  readonly secondHalf: string | null
}

/** What each kind of request comes to. */
const grants = {
  add: async ({ query, audit }, approval) => {
    const { request, actor } = approval
    const { name, role, department, consumer, requestId } = request
    const accountId = await insertAccount(query, { ...request, requestId })
    const details = { request: requestId, role, department, consumer, bootstrap: false }
    await audit({ type: 'account.added', actor, outcome: 'ok', object: `account/${name}`, details })
    return { accountId, secondHalf: await giveCode(query, approval, accountId) }
  },
  role: async ({ query, audit }, { request, actor }) => {
    const { name, role, department, consumer, requestId } = request
    const accountId = request.accountId ?? 0
    await changeRole(query, { ...request, accountId })
    await endSessions(query, accountId)
    const details = { request: requestId, role, department, consumer }
    await audit({ type: 'account.role-changed', actor, outcome: 'ok', object: `account/${name}`, details })
    return { accountId, secondHalf: null }
  },
  enrolment: async ({ query, audit }, approval) => {
    const { request, actor } = approval
    const { accountId } = await findAccountByName(query, request.name)
    const details = { request: request.requestId }
    await audit({ type: 'account.enrolment-renewed', actor, outcome: 'ok', object: `account/${request.name}`, details })
    return { accountId, secondHalf: await giveCode(query, approval, accountId) }
  },
} as const satisfies Record<RequestKind, (transaction: Transaction, approval: Approval) => Promise<Granted>>

/**
 * Agrees to a request as its second person, and does what it asks for. Throws ACCOUNT_REQUEST_UNKNOWN, ACCOUNT_REQUEST_STATE,
 * SECOND_PERSON, and what has become of the account or the person since.
 */
export async function approveRequest(
  transaction: Transaction,
  keys: KeyRing,
  requestId: number,
  decider: Account,
): Promise<{ readonly name: string; readonly secondHalf: string | null }> {
  const { query } = transaction
  const request = await lockRequest(query, requestId)
  await assertSecond(query, request, decider)
  const { accountId: decidedBy, role: decidedRole } = decider
  await closeRequest(query, requestId, { state: 'approved', decidedBy, decidedRole, reason: null })
  const { secondHalf } = await grants[request.kind](transaction, { request, actor: actorOf(decider), keys })
  return { name: request.name, secondHalf }
}

/** Refuses a request as its second person. Throws as `approveRequest`. */
export async function refuseRequest(
  { query, audit }: Transaction,
  requestId: number,
  decider: Account,
  reason: string,
): Promise<string> {
  const request = await lockRequest(query, requestId)
  await assertSecond(query, request, decider)
  const { accountId: decidedBy, role: decidedRole } = decider
  await closeRequest(query, requestId, { state: 'refused', decidedBy, decidedRole, reason })
  const object = `account/${request.name}`
  const details = { request: requestId, kind: request.kind }
  await audit({ type: 'account.request-refused', actor: actorOf(decider), outcome: 'ok', object, details })
  return request.name
}

/** Ends an account and its session at once. Taking away needs no second person. Throws ACCOUNT_UNKNOWN. */
export async function endAccount({ query, audit }: Transaction, actor: string, name: string): Promise<void> {
  await endSessions(query, await disableAccount(query, name))
  await audit({ type: 'account.disabled', actor, outcome: 'ok', object: `account/${name}` })
}

/**
 * Makes the first holder of an administration, for whom nobody is there yet to agree. Returns the whole enrolment code; null where
 * the role is no administration or somebody holds it, so that it has to be asked for.
 */
export async function addFirstHolder(
  { query, audit }: Transaction,
  keys: KeyRing,
  actor: string,
  { name, person, role }: { readonly name: string; readonly person: string; readonly role: Role },
): Promise<string | null> {
  if (!role.endsWith('-administrator') || (await isHeld(query, role))) return null
  const accountId = await insertAccount(query, {
    name,
    person,
    role,
    department: null,
    consumer: null,
    requestId: null,
  })
  const [first, second] = [createHalf(), createHalf()]
  await renewEnrolment(query, accountId, hashOfHalf(keys, first), hashOfHalf(keys, second))
  const details = { role, department: null, consumer: null, bootstrap: true }
  await audit({ type: 'account.added', actor, outcome: 'ok', object: `account/${name}`, details })
  return wholeCode(first, second)
}
