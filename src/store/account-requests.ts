import { AppError } from '../errors.ts'
import type { Role } from '../security/permissions.ts'
import type { Query } from './database.ts'

export const requestKinds = ['add', 'role', 'enrolment'] as const
export type RequestKind = (typeof requestKinds)[number]

/** Who asks: an account, or the operator of the machine, by login. */
export type Requester =
  | { readonly accountId: number; readonly role: Role; readonly operator?: never }
  | { readonly operator: string; readonly accountId?: never; readonly role?: never }

export interface NewRequest {
  readonly kind: RequestKind
  /** Of the account that is asked for, or that is to be changed. */
  readonly name: string
  readonly person: string
  readonly accountId: number | null
  readonly role: Role
  readonly department: string | null
  readonly consumerId: number | null
  /** Keyed hash of the half of the enrolment code that the requester has; null for a change of role. */
  readonly firstHalf: string | null
  readonly requester: Requester
}

export interface OpenRequest extends Omit<NewRequest, 'requester'> {
  readonly requestId: number
  readonly consumer: string | null
  readonly requestedPerson: string | null
  readonly requestedRole: Role | null
}

export interface ListedRequest {
  readonly requestId: number
  readonly kind: RequestKind
  readonly name: string
  readonly role: Role
  readonly department: string | null
  readonly consumer: string | null
  readonly state: 'waiting' | 'approved' | 'refused'
  readonly requestedBy: string
  readonly requestedAt: Date
  readonly decidedBy: string | null
  readonly decidedAt: Date | null
  readonly reason: string | null
}

/** Keeps a request until another person decides. Throws ACCOUNT_REQUEST_STATE where one of this name waits already. */
export async function insertRequest(query: Query, request: NewRequest): Promise<number> {
  const { kind, name, person, accountId, role, department, consumerId, firstHalf, requester } = request
  const [row] = await query<{ requestId: number }>(
    `insert into account_request (kind, name, person, account_id, role, department, consumer_id, first_half,
                                  requested_by, requested_person, requested_role, requested_operator)
       values ($1, $2, $3, $4, $5, $6, $7, decode($8, 'hex'), $9, (select person from account where account_id = $9), $10, $11)
       on conflict (name) where state = 'waiting' do nothing returning request_id as "requestId"`,
    [
      kind,
      name,
      person,
      accountId,
      role,
      department,
      consumerId,
      firstHalf,
      requester.accountId ?? null,
      requester.role ?? null,
      requester.operator ?? null,
    ],
  )
  if (row === undefined) throw new AppError('ACCOUNT_REQUEST_STATE', name)
  return row.requestId
}

/** A waiting request, locked until the transaction ends. Throws ACCOUNT_REQUEST_UNKNOWN, ACCOUNT_REQUEST_STATE. */
export async function lockRequest(query: Query, requestId: number): Promise<OpenRequest> {
  const [request] = await query<OpenRequest & { state: string }>(
    `select request_id as "requestId", kind, account_request.name, person, account_id as "accountId", role, department,
            consumer_id as "consumerId", consumer.name as consumer, encode(first_half, 'hex') as "firstHalf",
            requested_person as "requestedPerson", requested_role as "requestedRole", state
       from account_request left join consumer using (consumer_id) where request_id = $1 for update of account_request`,
    [requestId],
  )
  if (request === undefined) throw new AppError('ACCOUNT_REQUEST_UNKNOWN', String(requestId))
  if (request.state !== 'waiting') throw new AppError('ACCOUNT_REQUEST_STATE', request.state)
  return request
}

export interface Decision {
  readonly state: 'approved' | 'refused'
  readonly decidedBy: number
  readonly decidedRole: Role
  /** Why it was refused; null for an approval. */
  readonly reason: string | null
}

/** Closes a request. */
export async function closeRequest(query: Query, requestId: number, decision: Decision): Promise<void> {
  const { state, decidedBy, decidedRole, reason } = decision
  await query(
    `update account_request set state = $2, decided_by = $3, decided_role = $4, reason = $5, decided_at = clock_timestamp(),
            decided_person = (select person from account where account_id = $3)
      where request_id = $1`,
    [requestId, state, decidedBy, decidedRole, reason],
  )
}

/** The person behind an account. */
export async function personOfAccount(query: Query, accountId: number): Promise<string | null> {
  const [row] = await query<{ person: string | null }>('select person from account where account_id = $1', [accountId])
  return row?.person ?? null
}

/** The newest first, 500 at most. */
export async function listRequests(query: Query): Promise<readonly ListedRequest[]> {
  return query<ListedRequest>(
    `select request.request_id as "requestId", kind, request.name, request.role, request.department,
            consumer.name as consumer, state, coalesce('account:' || asker.name, 'operator:' || requested_operator) as "requestedBy",
            requested_at as "requestedAt", 'account:' || decider.name as "decidedBy", decided_at as "decidedAt", reason
       from account_request request left join consumer on consumer.consumer_id = request.consumer_id
       left join account asker on asker.account_id = requested_by left join account decider on decider.account_id = decided_by
      order by request.request_id desc limit 500`,
  )
}
