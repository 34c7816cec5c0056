import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sortSubjects } from '../../src/audit/subjects.ts'
import { verifyLog } from '../support/audit-log.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'

let installation: TestInstallation

beforeAll(async () => {
  installation = await openTestInstallation('manifests', 1)
})
afterAll(() => installation.close())

const pulled = { type: 'changes.pulled', actor: 'consumer:platform', outcome: 'ok', count: 3 } as const

interface Attached {
  readonly lane: string
  readonly seq: number
  readonly subjects: Buffer
  readonly body: Buffer
}

const attached = () =>
  installation.asOwner<Attached>(
    `select lane_id as lane, lane_seq as seq, subjects, body from audit.manifest join audit.entry using (lane_id, lane_seq)
      order by lane_seq`,
  )

describe('the manifest of a disclosure', () => {
  test('is kept with its entry: sorted, its count and digest in the body, and nothing for who names nobody', async () => {
    const tokens = randomBytes(3 * 16)
    await installation.database.transaction(({ audit }) =>
      audit({ ...pulled, subjects: tokens }, { ...pulled, subjects: Buffer.alloc(0) }, pulled, {
        ...pulled,
        subjects: tokens.subarray(0, 16),
      }),
    )
    const [first, last, ...none] = await attached()
    expect(none).toEqual([])
    expect(first?.subjects).toEqual(sortSubjects(tokens))
    expect(JSON.parse(String(first?.body))).toMatchObject({
      subjectCount: 3,
      subjectsDigest: expect.stringMatching(/^[\da-f]{64}$/),
    })
    expect(JSON.parse(String(first?.body))).not.toHaveProperty('subjects')
    expect(last?.subjects).toEqual(tokens.subarray(0, 16))
    expect((await verifyLog(installation.ownerUrl)).state).toBe('whole')
  })

  test('goes with its transaction', async () => {
    const before = await attached()
    const failing = installation.database.transaction(async ({ audit, query }) => {
      await audit({ ...pulled, subjects: randomBytes(16) })
      await query('select 1')
      throw new Error('rolled back')
    })
    await expect(failing).rejects.toMatchObject({ code: 'INTERNAL' })
    expect(await attached()).toEqual(before)
  })

  test('is taken once, and only the one that the entry names', async () => {
    const [first] = await attached()
    const attach = (seq: number | undefined, subjects: Buffer | undefined) =>
      installation.database.query('select audit.attach($1, $2, $3)', [first?.lane, seq, subjects])
    await expect(attach(first?.seq, first?.subjects)).rejects.toMatchObject({ detail: 'SQLSTATE 23505' })
    await installation.asOwner('delete from audit.manifest where lane_seq = $1', [first?.seq])
    await expect(attach(first?.seq, randomBytes(48))).rejects.toMatchObject({ detail: 'SQLSTATE GB004' })
    await expect(attach(2, randomBytes(16))).rejects.toMatchObject({ detail: 'SQLSTATE GB004' })
    expect(await verifyLog(installation.ownerUrl)).toMatchObject({ state: 'tampered', seq: first?.seq })
    await installation.asOwner('insert into audit.manifest values ($1, $2, $3)', [
      first?.lane,
      first?.seq,
      first?.subjects,
    ])
    expect((await verifyLog(installation.ownerUrl)).state).toBe('whole')
  })

  test('is a fault of its entry where it was changed, or where one lies beside an entry that names nobody', async () => {
    const [first] = await attached()
    const swap = 'update audit.manifest set subjects = $2 where lane_seq = $1'
    await installation.asOwner(swap, [first?.seq, randomBytes(48)])
    expect(await verifyLog(installation.ownerUrl)).toMatchObject({
      state: 'tampered',
      seq: first?.seq,
      fault: 'the persons beside it are not those that it names',
    })
    await installation.asOwner(swap, [first?.seq, first?.subjects])
    const put = 'insert into audit.manifest select lane_id, 2, $2 from audit.manifest where lane_seq = $1'
    await installation.asOwner(put, [first?.seq, randomBytes(16)])
    expect(await verifyLog(installation.ownerUrl)).toMatchObject({ state: 'tampered', seq: 2 })
  })

  test('cannot be written, changed or deleted by the application', async () => {
    for (const statement of ['delete from audit.manifest', `update audit.manifest set subjects = ''`])
      await expect(installation.database.query(statement)).rejects.toMatchObject({ detail: 'SQLSTATE 42501' })
  })
})
