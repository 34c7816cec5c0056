import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loadJurisdiction } from '../../src/feeds/jurisdiction.ts'
import { loadDatasets } from '../../src/feeds/datasets.ts'
import { keepHouse } from '../../src/jobs/housekeeping.ts'
import { type Answer, type Office, type Person } from '../support/office.ts'
import { forgetApplications, openApplicationStage, type ApplicationStage } from './application-stage.ts'

let stage: ApplicationStage
let office: Office

beforeAll(async () => {
  stage = await openApplicationStage()
  ;({ office } = stage)
})
afterAll(() => stage.close())
beforeEach(() => forgetApplications(stage))

const codeOf = ({ status, body }: Answer) => [status, body.code]
const show = async (applicationId: number) => (await office.auditor.get(`/api/v1/applications/${applicationId}`)).body
const keep = (): Promise<void> =>
  keepHouse(stage.installation.database, {
    rejectionDays: 90,
    tombstoneDays: 400,
    datasets: loadDatasets(),
    clocks: loadJurisdiction('decree-809').clocks,
  })
const alerts = async (person: Person) => (await person.get('/api/v1/alerts')).body.alerts

async function submitted(change?: object): Promise<number> {
  const applicationId = await stage.draft(change)
  await stage.move(stage.applicant, applicationId, 'submit')
  return applicationId
}

/** As if so much time had passed for the clock of an application. */
const age = (applicationId: number, column: 'due_at' | 'valid_to' | 'valid_from', by: string) =>
  stage.installation.asOwner(
    `update gridbridge.application set ${column} = ${column} - $2::interval where application_id = $1`,
    [applicationId, by],
  )

describe('who answers', () => {
  test('one no is enough, with its reason, and nothing was granted', async () => {
    const applicationId = await submitted()
    expect(codeOf(await stage.move(stage.owner, applicationId, 'refuse'))).toEqual([400, 'REQUEST_INVALID'])
    const { body } = await stage.move(stage.owner, applicationId, 'refuse', { reason: '范围过大' })
    expect(body).toMatchObject({ state: 'refused', agreement: null, owner: { verdict: 'refuse', reason: '范围过大' } })
    const late = await stage.move(office.officer, applicationId, 'approve', { reason: '最小必要' })
    expect(codeOf(late)).toEqual([409, 'APPLICATION_STATE'])
    expect((await stage.pull()).status).toBe(403)
  })

  test.each<readonly [string, (people: ApplicationStage) => Person]>([
    ['its applicant', ({ applicant }) => applicant],
    ['the data owner of another department', ({ strange }) => strange],
    ['an editor of the department', ({ office: { editor } }) => editor],
    ['a system administrator', ({ office: { engineer } }) => engineer],
    ['an auditor', ({ office: { auditor } }) => auditor],
  ])('%s does not', async (_who, personOf) => {
    const applicationId = await submitted()
    const answer = await stage.move(personOf(stage), applicationId, 'approve', { reason: '同意' })
    expect(codeOf(answer)).toEqual([403, 'FORBIDDEN'])
    expect((await show(applicationId)).state).toBe('submitted')
  })

  test('nobody answers twice, and two owners are not two sides', async () => {
    const applicationId = await submitted()
    await stage.move(stage.owner, applicationId, 'approve', { reason: '同意' })
    const again = await stage.move(stage.owner, applicationId, 'approve', { reason: '同意' })
    expect(codeOf(again)).toEqual([409, 'APPLICATION_STATE'])
    expect((await show(applicationId)).state).toBe('submitted')
  })

  test('its applicant does not, even when the account has become that of a data owner', async () => {
    const applicationId = await submitted()
    const become = (role: string, department: string | null, consumer: string | null) =>
      stage.installation.asOwner(
        `update gridbridge.account set role = $1, department = $2,
                consumer_id = (select consumer_id from gridbridge.consumer where name = $3)
          where name = 'grid-engineer'`,
        [role, department, consumer],
      )
    await become('data-owner', 'public-security', null)
    const answer = await stage.move(stage.applicant, applicationId, 'approve', { reason: '同意' })
    await become('consumer-engineer', null, 'grid-platform')
    expect(codeOf(answer)).toEqual([409, 'SECOND_PERSON'])
  })

  test('another consumer is not told that there is one', async () => {
    const applicationId = await submitted()
    const path = `/api/v1/applications/${applicationId}`
    const [one, none] = [await stage.rival.get(path), await stage.rival.get('/api/v1/applications/999999')]
    expect([codeOf(one), codeOf(none)]).toEqual([
      [404, 'APPLICATION_UNKNOWN'],
      [404, 'APPLICATION_UNKNOWN'],
    ])
    expect(codeOf(await stage.move(stage.rival, applicationId, 'withdraw'))).toEqual([404, 'APPLICATION_UNKNOWN'])
    const listed = async (person: Person) =>
      (await person.get('/api/v1/applications')).body.applications.map(
        (one_: { applicationId: number }) => one_.applicationId,
      )
    expect(await listed(stage.rival)).toEqual([])
    expect(await listed(stage.strange)).toEqual([])
    expect(await listed(stage.owner)).toEqual([applicationId])
    expect(await listed(stage.applicant)).toEqual([applicationId])
    expect(await listed(office.officer)).toEqual([applicationId])
  })

  test('an L4 field leaves in clear only by the second approval of the security administrator', async () => {
    const names = stage.installation.datasets.get('resident')?.names ?? []
    const omitted = Object.fromEntries(names.map((name) => [name, 'omit']))
    const forms = { ...omitted, certType: 'clear', certNumber: 'clear' }
    const applicationId = await submitted({ forms, profile: undefined })
    const allowedByOwner = { reason: '同意', allowsClear: true }
    expect((await stage.move(stage.owner, applicationId, 'approve', allowedByOwner)).body.isClearAllowed).toBe(false)
    const plain = await stage.move(office.officer, applicationId, 'approve', { reason: '同意' })
    expect([...codeOf(plain), plain.body.detail]).toEqual([
      422,
      'AGREEMENT_INVALID',
      expect.stringMatching(/^\/forms\/certNumber: wanted .*second approval/),
    ])
    const second = await stage.move(office.officer, applicationId, 'approve', { reason: '同意', allowsClear: true })
    expect(second.body).toMatchObject({ state: 'approved', isClearAllowed: true })
  })
})

describe('clocks', () => {
  test('an answer that is late is told of once, to its department and the city, until there is one', async () => {
    const applicationId = await submitted()
    await keep()
    expect(await alerts(stage.owner)).toEqual([])
    await age(applicationId, 'due_at', '60 days')
    await keep()
    await keep()
    const late = {
      kind: 'answer-overdue',
      object: `application/${applicationId}`,
      department: 'public-security',
      feed: null,
    }
    expect(await alerts(stage.owner)).toMatchObject([late])
    expect(await alerts(office.officer)).toMatchObject([late])
    expect(await alerts(stage.strange)).toEqual([])
    await stage.move(stage.owner, applicationId, 'refuse', { reason: '范围过大' })
    expect(await alerts(stage.owner)).toEqual([])
  })

  test('one that a person has seen is not told of again, unless the term was extended and that is over too', async () => {
    const applicationId = await submitted()
    await age(applicationId, 'due_at', '90 days')
    await keep()
    const [{ alertId }] = await alerts(stage.owner)
    expect((await stage.owner.post(`/api/v1/alerts/${alertId}/acknowledge`)).body.acknowledgedBy).toBe(
      'account:ga-owner',
    )
    await keep()
    expect(await alerts(stage.owner)).toEqual([])
    await stage.installation.asOwner(`update gridbridge.alert set raised_at = raised_at - interval '70 days'`)
    await stage.move(office.officer, applicationId, 'extend', { reason: '涉及多个系统' })
    await keep()
    expect(await alerts(stage.owner)).toHaveLength(1)
  })

  test('a provision that is late is told of', async () => {
    const applicationId = await stage.draft()
    await stage.approve(applicationId)
    await age(applicationId, 'due_at', '60 days')
    await keep()
    expect(await alerts(office.engineer)).toMatchObject([
      { kind: 'provision-overdue', object: `application/${applicationId}` },
    ])
    await stage.move(office.engineer, applicationId, 'provision')
    expect(await alerts(office.engineer)).toEqual([])
  })

  test('a term that is over ends the application by itself, and asks for the receipt', async () => {
    const applicationId = await stage.draft()
    await stage.approve(applicationId)
    await stage.installation.asOwner(
      `update gridbridge.application set valid_to = (clock_timestamp() at time zone 'Asia/Shanghai')::date where application_id = $1`,
      [applicationId],
    )
    await keep()
    await keep()
    expect(await show(applicationId)).toMatchObject({ state: 'expired', ended: { reason: 'term' } })
    const entries = await stage.installation.asOwner<{ body: Buffer }>(
      `select body from audit.entry where event_type = 'application.expired'`,
    )
    expect(entries.map(({ body }) => JSON.parse(String(body)).object)).toEqual([`application/${applicationId}`])
    const { body } = await stage.applicant.get(`/api/v1/applications/${applicationId}`)
    expect(body.actions).toEqual(['dispose'])
  })

  test('a term that is still to come is granted on its first day, and what is in force stays so until then', async () => {
    const first = await stage.draft()
    const { agreement } = (await stage.approve(first)).body
    const second = await stage.draft({ validFrom: '2098-12-01', area: ['510503'] })
    expect((await stage.approve(second)).body).toMatchObject({ state: 'approved', agreement: null })
    expect(codeOf(await stage.move(office.engineer, second, 'provision'))).toEqual([409, 'APPLICATION_STATE'])
    await keep()
    expect(await show(first)).toMatchObject({ state: 'approved', agreement })
    await age(second, 'valid_from', '90 years')
    await keep()
    const [number, version] = agreement.split('@')
    expect((await show(second)).agreement).toBe(`${number}@${Number(version) + 1}`)
    expect((await show(first)).state).toBe('superseded')
  })

  test('a term whose purpose left the list meanwhile is not granted, and does not hold up the others', async () => {
    const applicationId = await stage.draft({ validFrom: '2098-12-01' })
    await stage.approve(applicationId)
    await age(applicationId, 'valid_from', '90 years')
    await stage.installation.asOwner(`update gridbridge.service_item set withdrawn_at = clock_timestamp()`)
    await keep()
    expect((await show(applicationId)).agreement).toBeNull()
    await stage.installation.asOwner(`update gridbridge.service_item set withdrawn_at = null`)
    await keep()
    expect((await show(applicationId)).agreement).not.toBeNull()
  })
})
