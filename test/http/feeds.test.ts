import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Role } from '../../src/security/permissions.ts'
import { findFeed } from '../../src/store/feeds.ts'
import { insertBatch } from '../../src/store/push-batches.ts'
import { requestRun } from '../../src/store/runs.ts'
import { registerFeed } from '../support/ledger.ts'
import { become as becomeAs, catalogueEntry, legalBasis, type Answer, type Office } from '../support/office.ts'
import { at, brief, openFeedStage, wellUpTo, type FeedStage } from './feed-stage.ts'

let stage: FeedStage
let installation: FeedStage['installation']
let office: FeedStage['office']

beforeAll(async () => {
  stage = await openFeedStage()
  ;({ installation, office } = stage)
})
afterAll(() => stage.close())

const draftOf: FeedStage['draftOf'] = (code, change) => stage.draftOf(code, change)
const manifestOf: FeedStage['manifestOf'] = (code, change) => stage.manifestOf(code, change)

const auditOf = async (code: string) => {
  const entries = await installation.asOwner<{ body: Buffer }>(
    'select body from audit.entry where feed = $1 order by recorded_at',
    [code],
  )
  return entries.map(({ body }) => JSON.parse(String(body)) as Record<string, unknown>)
}

describe('who may do what', () => {
  const code = 'LZ-GA-RK-100'
  beforeAll(() => stage.register(code))

  test.each<readonly [string, (people: Office) => Promise<Answer>]>([
    ['another department reads it', ({ neighbour }) => neighbour.get(at(code))],
    ['another department changes it', ({ neighbour }) => neighbour.put(at(code, '/draft'), draftOf(code))],
    ['another department previews it', ({ neighbour }) => neighbour.post(at(code, '/preview'))],
    [
      'another department sets its secret',
      ({ neighbour }) => neighbour.put(at(code, '/secrets/residentToken'), { value: 'x' }),
    ],
    [
      'another department registers a feed of this one',
      ({ neighbour }) => neighbour.post('/api/v1/feeds', draftOf('LZ-GA-RK-101')),
    ],
    ['a reviewer writes', ({ reviewer }) => reviewer.put(at(code, '/draft'), draftOf(code))],
    ['an editor reviews', ({ editor }) => editor.post(at(code, '/moves'), { action: 'review' })],
    ['an auditor previews', ({ auditor }) => auditor.post(at(code, '/preview'))],
    ['an engineer approves', ({ engineer }) => engineer.post(at(code, '/moves'), { action: 'approve' })],
    [
      'an editor registers an address',
      ({ editor }) =>
        editor.post('/api/v1/endpoints', {
          department: 'public-security',
          scheme: 'http',
          address: '10.0.0.1',
          firstPort: 80,
          lastPort: 80,
        }),
    ],
  ])('it is forbidden that %s', async (_what, attempt) => {
    const before = await auditOf(code)
    const answer = await attempt(office)
    expect([...brief(answer), answer.body.titleZh]).toEqual([403, 'FORBIDDEN', '该账号的角色无权执行此操作'])
    expect(await auditOf(code)).toEqual(before)
    const [entry] = await installation.asOwner<{ type: string; outcome: string }>(
      'select event_type as type, outcome from audit.entry order by recorded_at desc limit 1',
    )
    expect(entry).toEqual({ type: 'access.denied', outcome: 'denied' })
  })

  test('lists show a department its own feeds and the city all of them', async () => {
    const codes = async (who: keyof Office): Promise<readonly string[]> =>
      (await office[who].get('/api/v1/feeds')).body.feeds.map((feed: { code: string }) => feed.code)
    expect(await codes('neighbour')).toEqual([])
    expect(await codes('reviewer')).toContain(code)
    expect(await codes('auditor')).toContain(code)
  })

  test('without a token nothing is answered', async () => {
    for (const path of ['/feeds', `/feeds/${code}`, '/catalogue', '/coverage', '/endpoints', '/service-items']) {
      expect((await stage.server.inject(`/api/v1${path}`)).statusCode).toBe(401)
    }
  })
})

describe('the gate', () => {
  const code = 'LZ-GA-RK-110'
  const missing = async (change: object): Promise<readonly string[]> => {
    await office.editor.put(at(code, '/draft'), draftOf(code, change))
    return (await office.editor.get(at(code))).body.missing
  }
  beforeAll(() => stage.register(code))

  test.each<readonly [string, object, RegExp]>([
    ['no legal basis', { legalBasis: null }, /^\/legalBasis: /],
    ['no catalogue entry', { catalogue: null }, /^\/catalogue: /],
    [
      'another article than 22',
      { legalBasis: { ...legalBasis, luzhouArticle: '14' } },
      /^\/legalBasis\/luzhouArticle: wanted "22"/,
    ],
    ['no purpose', { legalBasis: { ...legalBasis, purposes: [] } }, /^\/legalBasis\/purposes/],
    [
      'a purpose that was never published',
      { legalBasis: { ...legalBasis, purposes: ['LZ-QD-404'] } },
      /^\/legalBasis\/purposes/,
    ],
    [
      'no impact assessment for persons',
      { legalBasis: { ...legalBasis, impactAssessment: null } },
      /^\/legalBasis\/impactAssessment/,
    ],
    [
      'no declaration about secrets',
      { legalBasis: { ...legalBasis, noStateOrWorkSecret: false } },
      /^\/legalBasis\/noStateOrWorkSecret/,
    ],
    [
      'conditions that are not told',
      { catalogue: { ...catalogueEntry, shareCondition: null } },
      /^\/catalogue\/shareCondition/,
    ],
    ['no basis for not sharing', { catalogue: { ...catalogueEntry, shareType: 3 } }, /^\/catalogue\/shareBasis/],
    [
      'a provider code with a wrong check',
      { catalogue: { ...catalogueEntry, providerCode: '115105000000000199' } },
      /^\/catalogue\/providerCode/,
    ],
  ])('is shut for %s', async (_what, change, telling) => {
    const lines = await missing(change)
    expect(lines).toEqual([expect.stringMatching(telling)])
    const submitted = await office.editor.post(at(code, '/moves'), { action: 'submit' })
    expect([...brief(submitted), submitted.body.detail]).toEqual([422, 'GATE_INCOMPLETE', lines[0]])
  })

  test('is shut for a test of the manifest that turns out otherwise', async () => {
    const tests = [{ name: 'nothing', row: {}, expect: { kind: 'deletion' as const } }]
    expect(await missing({ manifest: manifestOf(code, { tests }) })).toEqual([
      '/manifest/tests/0/expect/kind: given a rejection by DQ-001, DQ-032, wanted a deletion',
    ])
  })

  test('is shut for an address that nobody registered and a secret that nobody gave', async () => {
    const source = { ...manifestOf(code).source, baseUrl: 'http://127.0.0.1:9' }
    expect(await missing({ manifest: { ...manifestOf(code), source } })).toEqual([
      '/manifest/source: http 127.0.0.1:9 wanted as a registered endpoint of public-security',
    ])
    const other = { ...manifestOf(code).source, auth: { kind: 'bearer', token: 'otherToken' } }
    expect(await missing({ manifest: { ...manifestOf(code), source: other } })).toEqual(['/secrets/otherToken: wanted'])
  })

  test('is open for a feed that has everything', async () => {
    expect(await missing({})).toEqual([])
  })
})

describe('the way to active', () => {
  const code = 'LZ-GA-RK-120'
  beforeAll(() => stage.register(code))

  test('nothing is skipped: each action needs the state before it', async () => {
    const { reviewer, officer, engineer, editor } = office
    for (const [who, action] of [
      [reviewer, 'review'],
      [officer, 'approve'],
      [engineer, 'activate'],
      [engineer, 'resume'],
    ] as const) {
      expect(brief(await who.post(at(code, '/moves'), { action }))).toEqual([409, 'FEED_STATE'])
    }
    expect(brief(await editor.post(at(code, '/test')))).toEqual([409, 'FEED_STATE'])
  })

  test('a draft that was returned with a reason can be changed and handed in again', async () => {
    expect(await stage.bring(code, 'submit')).toEqual(wellUpTo('submit'))
    expect(brief(await office.editor.put(at(code, '/draft'), draftOf(code)))).toEqual([409, 'FEED_STATE'])
    expect(brief(await office.reviewer.post(at(code, '/moves'), { action: 'return' }))).toEqual([
      400,
      'REQUEST_INVALID',
    ])
    await office.reviewer.post(at(code, '/moves'), { action: 'return', reason: '缺少说明' })
    expect((await office.editor.get(at(code))).body).toMatchObject({
      state: 'draft',
      open: { version: 1, reason: '缺少说明', submittedBy: null },
      actions: ['submit', 'discard'],
    })
    expect((await office.editor.put(at(code, '/draft'), draftOf(code, { note: 'told more' }))).body).toEqual({
      code,
      version: 1,
    })
  })

  test('it is not activated before a test batch has passed', async () => {
    expect(await stage.bring(code, 'approve')).toEqual(wellUpTo('approve'))
    const early = await office.engineer.post(at(code, '/moves'), { action: 'activate' })
    expect([...brief(early), early.body.detail]).toEqual([
      422,
      'GATE_INCOMPLETE',
      '/test: wanted a passed test batch of version 1',
    ])
    const report = await office.editor.post(at(code, '/test'))
    expect(report.body).toMatchObject({ passed: true, pulled: 25, valid: 25, rejected: 0 })
    expect((await office.engineer.post(at(code, '/moves'), { action: 'activate' })).body).toEqual({
      code,
      version: 1,
      state: 'active',
    })
    expect((await office.auditor.get(at(code))).body.live).toMatchObject({
      author: 'ga-editor',
      submittedBy: 'ga-editor',
      reviewedBy: 'ga-reviewer',
      approvedBy: 'officer',
      activatedBy: 'engineer',
    })
  })

  test('every step is in the audit log, each with who and from where to where', async () => {
    const moves = (await auditOf(code)).filter(({ type }) => type === 'feed.moved')
    expect(moves.map(({ actor, details }) => [actor, (details as { action: string }).action])).toEqual([
      ['account:ga-editor', 'submit'],
      ['account:ga-reviewer', 'return'],
      ['account:ga-editor', 'submit'],
      ['account:ga-reviewer', 'review'],
      ['account:officer', 'approve'],
      ['account:engineer', 'activate'],
    ])
  })

  test('suspending stops its runs and only a resumed feed runs again', async () => {
    const feed = await findFeed(installation.database.query, code)
    const { runId } = await requestRun(installation.database.query, feed.feedId)
    expect(brief(await office.officer.post(at(code, '/moves'), { action: 'suspend' }))).toEqual([
      400,
      'REQUEST_INVALID',
    ])
    await office.officer.post(at(code, '/moves'), { action: 'suspend', reason: '应急处置' })
    const [run] = await installation.asOwner('select state, reason from gridbridge.run where run_id = $1', [runId])
    expect(run).toEqual({ state: 'stopped', reason: 'FEED_STATE' })
    await expect(requestRun(installation.database.query, feed.feedId)).rejects.toMatchObject({ code: 'FEED_STATE' })
    expect((await office.engineer.post(at(code, '/moves'), { action: 'resume' })).body.state).toBe('active')
    expect((await requestRun(installation.database.query, feed.feedId)).fresh).toBe(true)
  })

  test('a batch that came before it was suspended gets its run when it is resumed', async () => {
    const feed = await findFeed(installation.database.query, code)
    const alive = `select from gridbridge.run where feed_id = ${feed.feedId} and state = 'pending'`
    await office.officer.post(at(code, '/moves'), { action: 'suspend', reason: '应急处置' })
    const batch = { batchNo: 'B-1', digest: '', rows: 1, chunks: [Buffer.from('sealed')] }
    await insertBatch(installation.database.query, feed.feedId, batch)
    expect(await installation.asOwner(alive)).toHaveLength(0)
    await office.engineer.post(at(code, '/moves'), { action: 'resume' })
    expect(await installation.asOwner(alive)).toHaveLength(1)
  })
})

describe('whoever had a version in hand', () => {
  const code = 'LZ-GA-RK-150'
  const become = (role: Role, department: string | null) => becomeAs(installation, 'ga-editor', role, department)

  test('does not sign it again under another role', async () => {
    await stage.register(code)
    expect(await stage.bring(code, 'submit')).toEqual(wellUpTo('submit'))
    await become('department-reviewer', 'public-security')
    expect(brief(await office.editor.post(at(code, '/moves'), { action: 'review' }))).toEqual([409, 'SECOND_PERSON'])
    await office.reviewer.post(at(code, '/moves'), { action: 'review' })
    await become('security-administrator', null)
    expect(brief(await office.editor.post(at(code, '/moves'), { action: 'approve' }))).toEqual([409, 'SECOND_PERSON'])
    await become('department-editor', 'public-security')
    expect((await office.editor.get(at(code))).body.state).toBe('security-review')
  })

  test('of two who do the same at once one is late', async () => {
    const approve = () => office.officer.post(at(code, '/moves'), { action: 'approve' })
    const answers = await Promise.all([approve(), approve(), approve()])
    expect(answers.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([200, 409, 409])
  })

  test('its runs reach what is registered for its department and nothing else', async () => {
    await office.editor.post(at(code, '/test'))
    await office.engineer.post(at(code, '/moves'), { action: 'activate' })
    expect((await findFeed(installation.database.query, code)).origin).toBe('account')
  })
})

test('what an operator adds at the command line is live at once, as a version that nobody signed', async () => {
  await registerFeed(installation, 'LZ-GA-RK-140')
  expect((await office.auditor.get(at('LZ-GA-RK-140'))).body).toMatchObject({
    state: 'active',
    live: { version: 1, origin: 'operator', author: null, approvedBy: null },
  })
  expect((await office.auditor.get('/api/v1/catalogue')).body.withoutEntry).toContain('LZ-GA-RK-140')
})
