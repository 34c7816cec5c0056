import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Office, Person } from '../support/office.ts'
import { openRevealStage, type RevealStage } from './reveal-stage.ts'

let stage: RevealStage
let office: Office
let owner: Person

beforeAll(async () => {
  stage = await openRevealStage()
  ;({ office, owner } = stage)
})
afterAll(() => stage.close())

describe('the database refuses, whatever the API thinks,', () => {
  const sql = (text: string, values: readonly unknown[]) =>
    stage.installation.database.query(text, values).then(
      () => 'kept',
      ({ detail }: { detail: string }) => detail,
    )
  const approve = (revealId: number, duty: string, by: Person) =>
    sql(`insert into reveal_approval (reveal_id, duty, account_id, decision) values ($1, $2, $3, 'approve')`, [
      revealId,
      duty,
      by.accountId,
    ])
  const insertLook = (revealId: number, by: Person) =>
    sql('insert into reveal_look (reveal_id, account_id, records) values ($1, $2, 1)', [revealId, by.accountId])
  const insertReview = (revealId: number, by: Person) =>
    sql(`insert into reveal_review (reveal_id, account_id, finding, note) values ($1, $2, 'ok', '测试')`, [
      revealId,
      by.accountId,
    ])
  const refused = 'SQLSTATE GB403'

  test('approvals by the wrong account, and looks before both are there or by another', async () => {
    const { revealId } = (await stage.ask()).body
    expect(await insertLook(revealId, office.editor)).toBe('SQLSTATE GB409')
    for (const person of [office.editor, office.reviewer, office.officer, office.auditor, stage.stranger])
      expect(await approve(revealId, 'data', person)).toBe(refused)
    for (const person of [office.editor, office.engineer, office.auditor, owner])
      expect(await approve(revealId, 'security', person)).toBe(refused)
    expect(await approve(revealId, 'data', owner)).toBe('kept')
    expect(await insertLook(revealId, office.editor)).toBe('SQLSTATE GB409')
    expect(await approve(revealId, 'security', office.officer)).toBe('kept')
    for (const person of [office.reviewer, office.officer, office.auditor, owner])
      expect(await insertLook(revealId, person)).toBe(refused)
    expect(await insertReview(revealId, office.auditor)).toBe('SQLSTATE GB409')
    expect(await insertLook(revealId, office.editor)).toBe('kept')
    for (const person of [office.editor, office.officer, owner])
      expect(await insertReview(revealId, person)).toBe(refused)
    await stage.age(revealId, 31)
    expect(await insertLook(revealId, office.editor)).toBe('SQLSTATE GB409')
    expect(await insertReview(revealId, office.auditor)).toBe('kept')
  })

  test('requests of the wrong account or of records of others, longer ones, and changing or removing anything', async () => {
    const request = (by: Person, department: string, minutes: number, urgent = false) =>
      sql(
        `insert into reveal (account_id, department, dataset_id, fields, case_number, purpose, reason, urgent, minutes, expires_at)
           values ($1, $2, 1, '{name}', '测试', '测试', '测试', $4, $3, now() + interval '1 minute')`,
        [by.accountId, department, minutes, urgent],
      )
    for (const person of [office.officer, office.auditor, office.engineer, owner, office.neighbour])
      expect(await request(person, 'public-security', 30)).toBe(refused)
    expect(await request(office.editor, 'public-security', 31)).toBe('SQLSTATE 23514')
    expect(await request(office.editor, 'public-security', 11, true)).toBe('SQLSTATE 23514')
    const { revealId } = (await stage.ask()).body
    const add = `insert into reveal_record (reveal_id, place, feed_id, source_record_id) select $1, 2, feed_id, 'R-99' from feed`
    expect(await sql(add, [revealId])).toBe('SQLSTATE GB409')
    const columns = {
      reveal: 'minutes',
      reveal_record: 'place',
      reveal_approval: 'decision',
      reveal_look: 'records',
      reveal_review: 'note',
    }
    for (const [table, column] of Object.entries(columns)) {
      expect(await sql(`update ${table} set ${column} = ${column} where reveal_id = $1`, [revealId])).toBe(
        'SQLSTATE 42501',
      )
      expect(await sql(`delete from ${table} where reveal_id = $1`, [revealId])).toBe('SQLSTATE 42501')
    }
  })
})
