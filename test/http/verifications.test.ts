import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyRequest } from '../../src/security/request-signature.ts'
import { createEgressGuard } from '../../src/security/egress.ts'
import { pushVerifications } from '../../src/sharing/push-verifications.ts'
import type { Feed } from '../../src/store/feeds.ts'
import type { Answer } from '../support/office.ts'
import { answer, reset, startReceiver, type Received, type Receiver } from '../support/receiver.ts'
import { openWayBack, type System, type WayBackStage } from './way-back-stage.ts'

let stage: WayBackStage
let feed: Feed
let platform: System
let numbers = 0

beforeAll(async () => {
  stage = await openWayBack('verifications')
  feed = await stage.openFeed(60)
  platform = await stage.connect('grid-platform')
})
afterAll(() => stage.close())

/** No two results of this file are of the same moment, unless a test wants them to be. */
const at = (seconds: number): string => new Date(Date.UTC(2026, 10, 2, 1, 0, seconds)).toISOString()

/** Results about R-1 …, each with its own reference and evidence time; `change` replaces members. */
const results = (count: number, change: object = {}, of: Feed = feed) =>
  Array.from({ length: count }, (_, place) => ({
    dataset: 'resident',
    id: `${of.code}/R-${place + 1}`,
    version: 1,
    result: 'CONFIRMED',
    evidenceAt: at((numbers += 1)),
    reference: `HS-${numbers}`,
    ...change,
  }))
const send = (verifications: readonly object[]): Promise<Answer> =>
  platform.post('/api/v1/verifications', { verifications })
const outcomes = ({ body }: Answer) =>
  body.results.map((one: { outcome: string; code: string | null }) => one.code ?? one.outcome)

async function pull(of: Feed = feed): Promise<readonly Readonly<Record<string, unknown>>[]> {
  await stage.settle()
  const seen: Readonly<Record<string, unknown>>[] = []
  for (let cursor = ''; ;) {
    const path = `/api/v1/feeds/${of.code}/verifications?limit=7${cursor === '' ? '' : `&cursor=${cursor}`}`
    const { body } = await stage.office.reviewer.get(path)
    seen.push(...body.verifications)
    cursor = body.cursor
    if (body.hasMore === false) return seen
  }
}

describe('results', () => {
  test('reach the department of the records page by page, once each', async () => {
    const own = await stage.openFeed(20)
    const sent = results(20, { result: 'MOVED_OUT' }, own)
    expect(outcomes(await send(sent))).toEqual(sent.map(() => 'accepted'))
    expect(outcomes(await send(sent))).toEqual(sent.map(() => 'repeated'))
    const pulled = await pull(own)
    expect(pulled).toMatchObject(
      sent.map(({ reference, evidenceAt }, place) => ({
        consumer: 'grid-platform',
        recordId: `R-${place + 1}`,
        version: 1,
        result: 'MOVED_OUT',
        evidenceAt,
        reference,
        implausible: false,
      })),
    )
  })

  test('are judged each by itself, and an id that is unknown and one out of reach are the same', async () => {
    const [good] = results(1)
    const near = await stage.connect('town-platform', { area: ['510503'] })
    const [unknown, ahead, tomorrow] = [
      { ...results(1)[0], id: `${feed.code}/R-999` },
      { ...results(1)[0], version: 2 },
      { ...results(1)[0], evidenceAt: '2999-01-01T00:00:00Z' },
    ]
    const conflict = { ...good, result: 'CHANGED' }
    expect(outcomes(await send([unknown, good ?? {}, ahead, tomorrow, good ?? {}, conflict]))).toEqual([
      'RECORD_UNKNOWN',
      'accepted',
      'REQUEST_INVALID',
      'REQUEST_INVALID',
      'repeated',
      'VERIFICATION_CONFLICT',
    ])
    expect(outcomes(await near.post('/api/v1/verifications', { verifications: results(1) }))).toEqual([
      'RECORD_UNKNOWN',
    ])
  })

  test('are refused as a whole where a dataset is named that no agreement grants, and nothing is kept', async () => {
    const [first] = results(1)
    const { status, body } = await send([first ?? {}, { ...results(1)[0], dataset: 'housing' }])
    expect([status, body.code]).toEqual([403, 'AGREEMENT_MISSING'])
    expect(outcomes(await send([first ?? {}]))).toEqual(['accepted'])
  })

  test.each([
    ['none', 0],
    ['more than a thousand', 1001],
  ])('are refused where %s are sent', async (_what, count) => {
    expect((await send(results(count))).body.code).toBe('REQUEST_INVALID')
  })

  test('are seen by the department of the records alone, and who looked is written down', async () => {
    const { office, installation } = stage
    for (const person of [office.neighbour, office.officer, office.engineer, office.auditor])
      expect((await person.get(`/api/v1/feeds/${feed.code}/verifications`)).body.code).toBe('FORBIDDEN')
    await office.editor.get(`/api/v1/feeds/${feed.code}/verifications?limit=1`)
    expect(
      await installation.asOwner(
        `select count from audit.entry where event_type = 'verifications.viewed' and actor = 'account:ga-editor'`,
      ),
    ).toEqual([{ count: 1 }])
  })
})

describe('many results of one moment', () => {
  const alerts = async (of: Feed) =>
    stage.installation.asOwner<{ kind: string; details: object }>(
      'select kind, details from gridbridge.alert where feed_id = $1',
      [of.feedId],
    )

  test('are marked, and the department is told, also when they come in parts and at once', async () => {
    const own = await stage.openFeed(60)
    const same = results(40, { evidenceAt: '2026-11-03T09:00:00.000Z' }, own)
    expect(outcomes(await send(same.slice(0, 20)))).toEqual(Array.from({ length: 20 }, () => 'accepted'))
    expect(await alerts(own)).toEqual([])
    await Promise.all(same.slice(20).map((one) => send([one])))
    const marked = (await pull(own)).filter(({ implausible }) => implausible === true)
    expect(marked).toHaveLength(10)
    expect(await alerts(own)).toMatchObject([
      { kind: 'verification-implausible', details: { consumer: 'grid-platform', results: 1 } },
    ])
  })

  test('are believed where each has its own evidence time', async () => {
    const own = await stage.openFeed(60)
    await send(results(60, {}, own))
    expect(await alerts(own)).toEqual([])
    expect((await pull(own)).filter(({ implausible }) => implausible === true)).toEqual([])
  })
})

describe('a department that has results sent', () => {
  const secret = { appKey: 'ga-key', appSecret: 'a-secret-of-the-department' }
  const target = (of: Feed) => `/api/v1/feeds/${of.code}/verification-target`

  async function register(receiver: Receiver): Promise<void> {
    const port = Number(new URL(receiver.url).port)
    const place = { scheme: 'http', address: '127.0.0.1', firstPort: port, lastPort: port }
    await stage.office.officer.post('/api/v1/endpoints', { department: 'public-security', ...place })
  }
  const push = () =>
    pushVerifications({
      ...stage.installation,
      egress: createEgressGuard(['loopback']),
      auditDeadlineMs: 5000,
    })
  /** Lets what was put off be due, and sends until nothing is. */
  async function pushAll(): Promise<readonly string[]> {
    await stage.settle()
    const made: string[] = []
    for (;;) {
      await stage.installation.asOwner('update gridbridge.verification_target set not_before = null')
      const outcome = await push()
      if (outcome === 'idle') return made
      made.push(outcome)
    }
  }
  const isSigned = ({ headers, body }: Received): boolean =>
    verifyRequest(
      {
        method: 'POST',
        path: '/webhook',
        query: [],
        body,
        appKey: secret.appKey,
        secret: secret.appSecret,
        timestamp: Number(headers['x-timestamp']),
        nonce: String(headers['x-nonce']),
      },
      String(headers['x-signature']),
      new Date(),
    )

  test('gets them signed, again with the same key and bytes until it says so, and then no more', async () => {
    const own = await stage.openFeed(10)
    const receiver = await startReceiver()
    await register(receiver)
    const set = await stage.office.editor.put(target(own), { url: receiver.url, ...secret })
    expect(set.body).toEqual({ url: receiver.url, failures: 0, fault: null })
    const sent = results(10, {}, own)
    await send(sent.slice(0, 6))
    receiver.reactWith(answer(500), reset)
    await stage.settle()
    expect(await push()).toBe('postponed')
    expect(await push()).toBe('idle')
    // What comes meanwhile waits for its own delivery: the one that failed keeps its bytes.
    await send(sent.slice(6))
    expect(await pushAll()).toEqual(['postponed', 'sent', 'sent'])
    const [first, second, third, rest] = receiver.received
    expect(receiver.received).toHaveLength(4)
    for (const one of receiver.received) expect(isSigned(one)).toBe(true)
    expect([second, third].map((one) => [one?.headers['idempotency-key'], one?.body])).toEqual(
      Array.from({ length: 2 }, () => [first?.headers['idempotency-key'], first?.body]),
    )
    expect(rest?.headers['idempotency-key']).not.toBe(first?.headers['idempotency-key'])
    const told = [third, rest].flatMap((one) => JSON.parse(one?.body ?? '').verifications)
    expect(told.map(({ reference }: { reference: string }) => reference)).toEqual(
      sent.map(({ reference }) => reference),
    )
    expect(await pushAll()).toEqual([])
    receiver.close()
  })

  test('is asked for nowhere but at a registered endpoint, also when that is withdrawn later', async () => {
    const own = await stage.openFeed(3)
    const receiver = await startReceiver()
    const refused = await stage.office.editor.put(target(own), { url: receiver.url, ...secret })
    expect([refused.status, refused.body.code]).toEqual([403, 'EGRESS_FORBIDDEN'])
    await register(receiver)
    const userinfo = receiver.url.replace('http://', 'http://user:word@')
    expect((await stage.office.editor.put(target(own), { url: userinfo, ...secret })).body.code).toBe(
      'EGRESS_FORBIDDEN',
    )
    await stage.office.editor.put(target(own), { url: receiver.url, ...secret })
    await stage.installation.asOwner('update gridbridge.endpoint set withdrawn_at = clock_timestamp()')
    await send(results(3, {}, own))
    await stage.settle()
    expect(await push()).toBe('postponed')
    expect(receiver.received).toEqual([])
    expect((await stage.office.auditor.get(target(own))).body).toMatchObject({ failures: 1, fault: 'EGRESS_FORBIDDEN' })
    await stage.installation.asOwner(
      'update gridbridge.verification_target set failures = 4, not_before = null where feed_id = $1',
      [own.feedId],
    )
    expect(await push()).toBe('postponed')
    expect(
      await stage.installation.asOwner('select kind from gridbridge.alert where feed_id = $1', [own.feedId]),
    ).toEqual([{ kind: 'verification-undelivered' }])
    expect((await stage.office.editor.remove(target(own))).status).toBe(200)
    expect((await stage.office.editor.get(target(own))).body.code).toBe('ENDPOINT_UNKNOWN')
    expect(await pushAll()).toEqual([])
    receiver.close()
  })

  test('sets its own feeds only, and its secret rests sealed', async () => {
    const { office, installation } = stage
    for (const person of [office.neighbour, office.reviewer, office.officer])
      expect((await person.put(target(feed), { url: 'https://ga.example/', ...secret })).body.code).toBe('FORBIDDEN')
    const rows = await installation.asOwner<{ text: string }>(
      `select verification_target::text || encode(secret, 'escape') as text from gridbridge.verification_target`,
    )
    expect(rows.length).toBeGreaterThan(0)
    expect(JSON.stringify(rows)).not.toContain(secret.appSecret)
  })
})
