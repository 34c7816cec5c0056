import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addWorkingDays } from '../../src/feeds/working-days.ts'
import { catalogueEntry, type Answer, type Office } from '../support/office.ts'
import { FEED, forgetApplications, openApplicationStage, type ApplicationStage } from './application-stage.ts'

let stage: ApplicationStage
let office: Office

beforeAll(async () => {
  stage = await openApplicationStage()
  ;({ office } = stage)
})
afterAll(() => stage.close())
beforeEach(() => forgetApplications(stage))

const codeOf = ({ status, body }: Answer) => [status, body.code]
const stateOf = ({ status, body }: Answer) => [status, body.state ?? body.code]
const show = async (applicationId: number) => (await office.auditor.get(`/api/v1/applications/${applicationId}`)).body
const declare = (change: object) =>
  stage.installation.asOwner(`update gridbridge.feed_version set catalogue = $1 where state = 'active'`, [
    JSON.stringify({ ...catalogueEntry, ...change }),
  ])
const dueAfter = (from: string, days: number): string => addWorkingDays(new Date(from), days).due.toISOString()

async function submitted(change?: object): Promise<number> {
  const applicationId = await stage.draft(change)
  await stage.move(stage.applicant, applicationId, 'submit')
  return applicationId
}

describe('a consumer applies and receives', () => {
  test('from draft to active, with two people who say yes and everything written down', async () => {
    const { applicant, owner, move } = stage
    expect(await stage.pull()).toEqual({ status: 403, code: 'AGREEMENT_MISSING' })
    const applicationId = await stage.draft()
    expect(await show(applicationId)).toMatchObject({
      state: 'draft',
      consumer: 'grid-platform',
      department: 'public-security',
      applicant: 'grid-engineer',
      missing: [],
      request: { forms: { name: 'mask', certNumber: 'mask' }, profile: 'P1_OPERATOR' },
    })
    const { body } = await move(applicant, applicationId, 'submit')
    expect(body).toMatchObject({ state: 'submitted', actions: ['withdraw'], dueAt: dueAfter(body.submittedAt, 10) })

    expect(stateOf(await move(owner, applicationId, 'approve', { reason: '属法定职责' }))).toEqual([200, 'submitted'])
    expect(await stage.pull()).toMatchObject({ status: 403 })
    const approved = await move(office.officer, applicationId, 'approve', { reason: '最小必要' })
    expect(approved.body).toMatchObject({
      state: 'approved',
      agreement: expect.stringMatching(/^\d+@\d+$/),
      owner: { by: 'ga-owner', verdict: 'approve', reason: '属法定职责' },
      officer: { by: 'officer', verdict: 'approve', reason: '最小必要' },
      dueAt: dueAfter(approved.body.officer.at, 20),
    })
    expect(await stage.pull()).toEqual({ status: 200, code: undefined })
    expect(stateOf(await move(office.engineer, applicationId, 'provision'))).toEqual([200, 'provisioned'])
    expect(stateOf(await move(applicant, applicationId, 'confirm'))).toEqual([200, 'active'])

    const moves = await stage.installation.asOwner<{ body: Buffer }>(
      `select body from audit.entry where event_type = 'application.moved' order by recorded_at`,
    )
    const facts = moves.map((entry) => JSON.parse(String(entry.body)))
    expect(
      facts
        .filter((fact) => fact.object === `application/${applicationId}`)
        .map(({ actor, details }) => [actor, details.to]),
    ).toEqual([
      ['account:grid-engineer', 'submitted'],
      ['account:ga-owner', 'submitted'],
      ['account:officer', 'approved'],
      ['account:engineer', 'provisioned'],
      ['account:grid-engineer', 'active'],
    ])
    expect(facts.at(-1)).toMatchObject({
      purpose: 'LZ-QD-001',
      agreement: approved.body.agreement,
      dataset: 'resident',
    })
  })

  test('what is granted is what was asked for, until the day that was asked for', async () => {
    const applicationId = await stage.draft({ forms: { phone: 'omit' }, recordsPerDay: 1000 })
    const { body } = await stage.approve(applicationId)
    const [agreement] = await stage.installation.asOwner(
      `select forms->>'phone' as phone, forms->>'name' as name, area, page_size, records_per_day, valid_to, purpose, granted_by
         from gridbridge.agreement where agreement_id || '@' || version = $1`,
      [body.agreement],
    )
    expect(agreement).toEqual({
      phone: 'omit',
      name: 'mask',
      area: ['510502'],
      page_size: 200,
      records_per_day: 1000,
      valid_to: new Date('2099-01-01T00:00:00+08:00'),
      purpose: 'LZ-QD-001',
      granted_by: 'account:officer',
    })
  })

  test('a later application becomes the next version, and the earlier one is at its end without disposal', async () => {
    const first = await stage.draft()
    const before = (await stage.approve(first)).body.agreement.split('@')
    const second = await stage.draft({ area: ['510503'], validTo: '2098-01-01' })
    expect(await show(first)).toMatchObject({ state: 'approved' })
    const after = (await stage.approve(second)).body.agreement.split('@')
    expect([after[0], Number(after[1])]).toEqual([before[0], Number(before[1]) + 1])
    expect(await show(first)).toMatchObject({
      state: 'superseded',
      ended: { reason: `application/${second}` },
      actions: [],
    })
  })

  test('it is revoked at once, and the consumer hands in a receipt of disposal', async () => {
    const { applicant, owner, move } = stage
    const applicationId = await stage.draft()
    await stage.approve(applicationId)
    expect(await stage.pull()).toMatchObject({ status: 200 })
    expect(codeOf(await move(owner, applicationId, 'revoke'))).toEqual([400, 'REQUEST_INVALID'])
    expect(stateOf(await move(owner, applicationId, 'revoke', { reason: '超范围使用' }))).toEqual([200, 'revoked'])
    expect(await stage.pull()).toEqual({ status: 403, code: 'AGREEMENT_MISSING' })
    expect(codeOf(await move(applicant, applicationId, 'dispose'))).toEqual([400, 'REQUEST_INVALID'])
    const receipt = { way: 'deleted', on: '2026-11-28', copies: 2, statement: '库表与备份均已删除' }
    const { body } = await move(applicant, applicationId, 'dispose', { receipt })
    expect(body).toMatchObject({
      state: 'disposed',
      disposal: receipt,
      ended: { by: 'account:ga-owner', reason: '超范围使用' },
    })
    const [entry] = await stage.installation.asOwner<{ body: Buffer }>(
      `select body from audit.entry where event_type = 'application.moved' order by recorded_at desc limit 1`,
    )
    expect(JSON.parse(String(entry?.body)).details).toMatchObject({ action: 'dispose', way: 'deleted', copies: 2 })
  })
})

describe('the engineer of a consumer', () => {
  test('is told which consumer and what may be done, and reaches nothing of a department', async () => {
    const { body } = await stage.applicant.get('/api/v1/account')
    expect(body).toMatchObject({ role: 'consumer-engineer', department: null, consumer: 'grid-platform' })
    expect(body.permissions).toMatchObject({ 'application.submit': 'own', 'catalogue.read': 'all' })
    expect((await stage.applicant.get('/api/v1/datasets/resident')).status).toBe(200)
    for (const path of ['/feeds', `/feeds/${FEED}`, '/alerts', '/runs', '/endpoints', '/persons/conflicts'])
      expect(codeOf(await stage.applicant.get(`/api/v1${path}`))).toEqual([403, 'FORBIDDEN'])
  })
})

describe('what is missing', () => {
  test.each<readonly [string, object, readonly string[]]>([
    ['a purpose that is not on the list', { purpose: 'LZ-QD-404' }, ['/purpose']],
    ['a term that is over', { validTo: '2025-01-01' }, ['/validTo']],
    ['an area outside the city', { area: ['510502', '5199'] }, ['/area/1']],
    ['a field that there is not', { forms: { weather: 'mask' } }, ['/forms/weather']],
    ['nothing at all', { profile: 'P2_ANALYSIS', forms: 'omitted' }, ['/forms']],
    ['a birth date in clear beside the masked number', { forms: { birthDate: 'clear' } }, ['/forms/birthDate']],
    [
      'words that say nothing',
      { scenario: ' ', basis: { kind: 'law', title: ' ', article: '1' } },
      ['/basis', '/scenario'],
    ],
  ])('%s is told by its place, and cannot be submitted', async (_what, change, pointers) => {
    const everything = stage.installation.datasets.get('resident')?.names ?? []
    const omitted = Object.fromEntries(everything.map((name) => [name, 'omit']))
    const given = 'forms' in change && change.forms === 'omitted' ? { ...change, forms: omitted } : change
    const applicationId = await stage.draft(given)
    const { missing } = await show(applicationId)
    expect(missing.map((line: string) => line.split(':')[0])).toEqual(pointers)
    const answer = await stage.move(stage.applicant, applicationId, 'submit')
    expect([...codeOf(answer), answer.body.detail]).toEqual([422, 'AGREEMENT_INVALID', missing.join('\n')])
  })

  test('is told once by those who answer, and completed; a second time is refused', async () => {
    const { applicant, owner, move } = stage
    const applicationId = await submitted()
    await move(office.officer, applicationId, 'approve', { reason: '最小必要' })
    const asked = await move(owner, applicationId, 'ask', { reason: '请说明使用岗位' })
    expect(asked.body).toMatchObject({ state: 'need-more', asked: { by: 'ga-owner', reason: '请说明使用岗位' } })
    const path = `/api/v1/applications/${applicationId}`
    const completed = await applicant.put(path, stage.request({ scenario: '由社区网格员使用' }))
    expect([completed.status, completed.body.request.scenario]).toEqual([200, '由社区网格员使用'])
    expect(await stage.move(applicant, applicationId, 'submit')).toMatchObject({
      body: { state: 'submitted', officer: null },
    })
    expect(codeOf(await move(owner, applicationId, 'ask', { reason: '还有' }))).toEqual([409, 'APPLICATION_STATE'])
    expect(codeOf(await applicant.put(path, stage.request()))).toEqual([409, 'APPLICATION_STATE'])
  })

  test('one open application for a dataset is enough, and it can be withdrawn', async () => {
    const applicationId = await submitted()
    const body = { dataset: 'resident', ...stage.request() }
    expect(codeOf(await stage.applicant.post('/api/v1/applications', body))).toEqual([409, 'APPLICATION_STATE'])
    expect(stateOf(await stage.move(stage.applicant, applicationId, 'withdraw'))).toEqual([200, 'withdrawn'])
    expect(await stage.draft()).toBeGreaterThan(applicationId)
  })

  test('a number of a person in the words is refused', async () => {
    const body = { dataset: 'resident', ...stage.request({ scenario: '核实 510502190001010017' }) }
    expect(codeOf(await stage.applicant.post('/api/v1/applications', body))).toEqual([400, 'REQUEST_INVALID'])
  })
})

describe('the sharing type decides', () => {
  test('a dataset that is not shared cannot be applied for, and the citation is told', async () => {
    const applicationId = await stage.draft()
    await declare({ shareType: 3, shareCondition: null, shareBasis: '居民身份证法第十三条' })
    for (const answer of [
      await stage.move(stage.applicant, applicationId, 'submit'),
      await stage.rival.post('/api/v1/applications', { dataset: 'person', ...stage.request() }),
    ]) {
      expect([...codeOf(answer), answer.body.detail]).toEqual([
        403,
        'DATASET_NOT_SHARED',
        expect.stringContaining('居民身份证法第十三条'),
      ])
    }
    await declare({})
  })

  test('one that is shared without condition is answered in a working day, which is not put off', async () => {
    await declare({ shareType: 1, shareCondition: null })
    const applicationId = await submitted()
    const { submittedAt, dueAt, isConditional } = await show(applicationId)
    expect([isConditional, dueAt]).toEqual([false, dueAfter(submittedAt, 1)])
    const extended = await stage.move(office.officer, applicationId, 'extend', { reason: '人手不足' })
    expect(codeOf(extended)).toEqual([409, 'APPLICATION_STATE'])
    await declare({})
  })

  test('one with conditions may be put off once, by somebody who approves it', async () => {
    const applicationId = await submitted()
    const { dueAt } = await show(applicationId)
    expect(codeOf(await stage.move(stage.owner, applicationId, 'extend', { reason: 'x' }))).toEqual([403, 'FORBIDDEN'])
    const { body } = await stage.move(office.reviewer, applicationId, 'extend', { reason: '涉及多个系统' })
    expect(body).toMatchObject({ dueAt: dueAfter(dueAt, 10), extension: { by: 'ga-reviewer', reason: '涉及多个系统' } })
    const again = await stage.move(office.officer, applicationId, 'extend', { reason: '再次' })
    expect(codeOf(again)).toEqual([409, 'APPLICATION_STATE'])
  })
})
