import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerAccount, registerConsumer } from '../support/ledger.ts'

/** What the tables themselves refuse, whatever the program above them does. */
let installation: TestInstallation
let consumerId = 0
let people: readonly number[] = []

beforeAll(async () => {
  installation = await openTestInstallation('api')
  ;({ consumerId } = await registerConsumer(installation, 'grid-platform'))
  const accounts = [
    await registerAccount(installation, 'one', 'consumer-engineer', null, 'grid-platform'),
    await registerAccount(installation, 'two', 'data-owner', 'public-security'),
    await registerAccount(installation, 'three', 'security-administrator'),
  ]
  people = accounts.map(({ accountId }) => accountId)
})
afterAll(() => installation.close())

type Verdict = 'approve' | 'refuse'

interface Answered {
  readonly state?: string
  readonly owner?: number | undefined
  readonly ownerVerdict?: Verdict | null
  readonly ownerReason?: string | null
  readonly officer?: number | undefined
  readonly officerVerdict?: Verdict | null
  readonly extender?: number | undefined
  readonly disposal?: string | null
}

/** An application as the application role writes it. The SQLSTATE of the refusal, or `kept`. */
async function insert(answered: Answered): Promise<string> {
  const [one, two, three] = people
  const { state = 'approved', owner = two, officer = three, ownerReason = '同意', extender = null } = answered
  const { ownerVerdict = 'approve', officerVerdict = 'approve', disposal = null } = answered
  const inserting = installation.database.query(
    `insert into application (consumer_id, dataset_id, state, request, valid_from, valid_to, applicant_id, department, is_conditional,
                              submitted_at, due_at, owner_id, owner_verdict, owner_reason, officer_id, officer_verdict,
                              officer_reason, extended_by, disposal)
       values ($1, (select dataset_id from dataset where name = 'resident'), $2, '{}', '2026-01-01', '2027-01-01', $3,
               'public-security', true, now(), now(), $4, $5, $6, $7, $8, $9, $10, $11)`,
    [
      consumerId,
      state,
      one,
      ownerVerdict === null ? null : owner,
      ownerVerdict,
      ownerVerdict === null ? null : ownerReason,
      officerVerdict === null ? null : officer,
      officerVerdict,
      officerVerdict === null ? null : '同意',
      extender,
      disposal,
    ],
  )
  const outcome = await inserting.then(
    () => 'kept',
    (error: { detail: string }) => error.detail,
  )
  await installation.asOwner('delete from gridbridge.application')
  return outcome
}

const REFUSED = 'SQLSTATE 23514'

test('an application that two people approved, neither of them its applicant, is kept', async () => {
  expect(await insert({})).toBe('kept')
})

test.each<readonly [string, (ids: readonly number[]) => Answered]>([
  ['its applicant answers as the data owner', ([one]) => ({ owner: one })],
  ['its applicant answers as the security administrator', ([one]) => ({ officer: one })],
  ['one person answers for both', ([, two]) => ({ officer: two })],
  ['its applicant lets the answer have longer', ([one]) => ({ extender: one })],
])('it is refused that %s', async (_what, answered) => {
  expect(await insert(answered(people))).toBe(REFUSED)
})

test.each<readonly [string, Answered]>([
  ['is approved by the security administrator alone', { ownerVerdict: null }],
  ['is approved by the data owner alone', { officerVerdict: null }],
  ['is active although one side refused', { state: 'active', officerVerdict: 'refuse' }],
  ['expires without ever having been approved', { state: 'expired', ownerVerdict: null, officerVerdict: null }],
  ['is refused and nobody refused it', { state: 'refused' }],
  ['is answered without a reason', { ownerReason: null }],
  ['is disposed of without a receipt', { state: 'disposed' }],
])('it is refused that an application %s', async (_what, answered) => {
  expect(await insert(answered)).toBe(REFUSED)
})

test.each(['submitted', 'withdrawn', 'need-more'])('one that is %s needs no answer yet', async (state) => {
  expect(await insert({ state, ownerVerdict: null, officerVerdict: null })).toBe('kept')
})

test.each<readonly [string, string, string | null, number | null]>([
  ['a data owner of no department', 'data-owner', null, null],
  ['an engineer of no consumer', 'consumer-engineer', null, null],
  ['an auditor of a consumer', 'audit-administrator', null, 1],
  ['an engineer of a consumer and of a department', 'consumer-engineer', 'health', 1],
])('the table of accounts refuses %s', async (_what, role, department, hasConsumer) => {
  const inserting = installation.database.query(
    `insert into account (name, role, department, consumer_id, active) values ('nobody', $1, $2, $3, false)`,
    [role, department, hasConsumer === null ? null : consumerId],
  )
  await expect(inserting).rejects.toMatchObject({ detail: REFUSED })
})
