import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { personOf } from '../../src/security/staff-number.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { administratorsOf, grantAccount } from '../support/sign-in.ts'

/** What the tables themselves refuse, whatever the program above them does. Where it says owner, as a superuser too. */
let installation: TestInstallation
let ids = { system: 0, security: 0, editor: 0 }
let persons = { system: '', security: '', editor: '' }

beforeAll(async () => {
  installation = await openTestInstallation('api')
  const { system, security } = await administratorsOf(installation)
  const wanted = { name: 'editor', role: 'department-editor', department: 'health', consumer: null } as const
  const editor = await grantAccount(installation, wanted)
  ids = { system: system.accountId, security: security.accountId, editor: editor.accountId }
  const { keys } = installation
  persons = {
    system: personOf(keys, 'FIRST-first-system'),
    security: personOf(keys, 'FIRST-first-security'),
    editor: personOf(keys, 'STAFF-editor'),
  }
})
afterAll(() => installation.close())

/** The SQLSTATE of the refusal, or `kept`. */
const asOwner = (text: string, values: readonly unknown[] = []): Promise<string> =>
  installation.asOwner(text, values).then(
    () => 'kept',
    (error: { code: string }) => error.code,
  )
const asProduct = (text: string, values: readonly unknown[] = []): Promise<string> =>
  installation.database.query(text, values).then(
    () => 'kept',
    (error: { detail: string }) => error.detail.replace('SQLSTATE ', ''),
  )

const [UNIQUE, FOREIGN, CHECK, FORBIDDEN] = ['23505', '23503', '23514', '42501']

describe('no person holds two of the three administrations, says the database to its owner', () => {
  const add = 'insert into gridbridge.account (name, role, person, active) values ($1, $2, $3, $4)'

  test.each(['security-administrator', 'audit-administrator'])('not by a second account as %s', async (role) => {
    expect(await asOwner(add, [`a-${role}`, role, persons.system, true])).toMatch(/23503|23505/)
    expect(await asOwner(add, [`b-${role}`, role, persons.system, false])).toBe(FOREIGN)
  })

  test('not by another role of the one account', async () => {
    const change = 'update gridbridge.account set role = $1 where account_id = $2'
    for (const role of ['security-administrator', 'audit-administrator'])
      expect(await asOwner(change, [role, ids.system])).toBe(FOREIGN)
  })

  test('not one after the other, by way of a new account', async () => {
    const renew = `with ended as (update gridbridge.account set active = false where account_id = $1 returning person)
      insert into gridbridge.account (name, role, person) select 'late', 'audit-administrator', person from ended`
    expect(await asOwner(renew, [ids.system])).toBe(FOREIGN)
  })

  test('not by moving an account to another person, or the person to another administration', async () => {
    const move = 'update gridbridge.account set person = $1 where account_id = $2'
    expect(await asOwner(move, [persons.security, ids.system])).toMatch(/23503|23505/)
    const held = `update gridbridge.administration set administration = 'audit-administrator' where person = $1`
    expect(await asOwner(held, [persons.system])).toBe(FOREIGN)
    expect(await asOwner('delete from gridbridge.administration where person = $1', [persons.system])).toBe(FOREIGN)
    const twice = `insert into gridbridge.administration (person, administration) values ($1, 'audit-administrator')`
    expect(await asOwner(twice, [persons.system])).toBe(UNIQUE)
  })

  test('nor does the product change who holds what, or whose an account is', async () => {
    expect(await asProduct(`update administration set administration = 'audit-administrator'`)).toBe(FORBIDDEN)
    expect(await asProduct('delete from administration')).toBe(FORBIDDEN)
    expect(await asProduct('update account set person = $1', ['x'])).toBe(FORBIDDEN)
    expect(await asProduct('delete from account')).toBe(FORBIDDEN)
  })
})

describe('one person has one account at a time', () => {
  test('and so no business role beside an administration', async () => {
    const add = `insert into gridbridge.account (name, role, department, person, request_id)
      values ('second', 'department-editor', 'health', $1, (select request_id from gridbridge.account where account_id = $2))`
    expect(await asOwner(add, [persons.editor, ids.editor])).toBe(UNIQUE)
    expect(await asOwner(add, [persons.system, ids.editor])).toMatch(/23503|23505/)
  })

  test('and nobody has one whom nobody knows', async () => {
    expect(await asOwner(`insert into gridbridge.account (name, role) values ('ghost', 'audit-administrator')`)).toBe(
      CHECK,
    )
  })
})

describe('granting needs a second person', () => {
  test('an ordinary account exists only by a request for its person', async () => {
    const add = `insert into account (name, role, department, person, request_id) values ('own', 'department-editor', 'health', $1, $2)`
    expect(await asProduct(add, ['somebody', null])).toBe(CHECK)
    const [{ request } = { request: 0 }] = await installation.asOwner<{ request: number }>(
      'select request_id as request from gridbridge.account where account_id = $1',
      [ids.editor],
    )
    expect(await asProduct(add, ['somebody', request])).toBe(FOREIGN)
  })

  const insert = (change: Readonly<Record<string, unknown>>): Promise<string> => {
    const row = {
      kind: 'role',
      name: 'asked',
      person: persons.editor,
      role: 'data-owner',
      state: 'approved',
      requested_by: ids.system,
      requested_person: persons.system,
      requested_role: 'system-administrator',
      decided_by: ids.security,
      decided_person: persons.security,
      decided_role: 'security-administrator',
      ...change,
    }
    const columns = Object.keys(row)
    const places = columns.map((_, place) => `$${place + 1}`)
    return asOwner(
      `insert into gridbridge.account_request (${columns.join(', ')}) values (${places.join(', ')})`,
      Object.values(row),
    )
  }

  test('a request that two people of two administrations made and decided is kept', async () => {
    expect(await insert({})).toBe('kept')
  })

  test.each<readonly [string, () => Readonly<Record<string, unknown>>, string]>([
    ['whoever asked decides', () => ({ decided_by: ids.system, decided_person: persons.system }), CHECK ?? ''],
    ['two of one administration do it', () => ({ decided_role: 'system-administrator' }), CHECK ?? ''],
    ['it is decided by nobody', () => ({ decided_by: null, decided_person: null, decided_role: null }), CHECK ?? ''],
    ['somebody asks for himself', () => ({ person: persons.system }), CHECK ?? ''],
    ['somebody decides for himself', () => ({ person: persons.security }), CHECK ?? ''],
    ['it is decided in the name of another person', () => ({ decided_person: 'nobody' }), FOREIGN ?? ''],
    ['an auditor decides', () => ({ decided_role: 'audit-administrator' }), CHECK ?? ''],
    ['nobody asked', () => ({ requested_by: null, requested_person: null, requested_role: null }), CHECK ?? ''],
    ['it is refused without a reason', () => ({ state: 'refused' }), CHECK ?? ''],
  ])('it is refused that %s', async (_what, change, state) => {
    expect(await insert(change())).toBe(state)
  })
})
