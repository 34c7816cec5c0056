import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Manifest } from '../../src/feeds/manifest-types.ts'
import { registerConsumer } from '../support/ledger.ts'
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

const code = 'LZ-GA-RK-130'
const withoutPhone = (): Manifest => {
  const manifest = manifestOf(code)
  return { ...manifest, map: manifest.map.filter(({ to }) => to !== '/phone') }
}

beforeAll(async () => {
  await stage.register(code)
  await stage.bring(code, 'activate')
  await installation.asOwner(`update gridbridge.feed set cursor = '{"sealed":"x"}' where code = $1`, [code])
  await registerConsumer(installation, 'phone-user', { forms: { phone: 'mask', name: 'mask' } })
  await registerConsumer(installation, 'name-user', { forms: { name: 'mask' } })
})
const cursor = async () => {
  const [row] = await installation.asOwner<{ cursor: unknown }>('select cursor from gridbridge.feed where code = $1', [
    code,
  ])
  return row?.cursor ?? null
}

test('a change of an active feed is a new draft, and what runs stays as it is', async () => {
  const written = await office.editor.put(
    at(code, '/draft'),
    draftOf(code, { manifest: withoutPhone(), note: 'no phones' }),
  )
  expect(written.body).toEqual({ code, version: 2 })
  expect((await office.editor.get(at(code))).body).toMatchObject({
    state: 'active',
    live: { version: 1, state: 'active' },
    open: { version: 2, state: 'draft' },
    readsFromBeginning: false,
  })
})

test('the impact view names the consumers that a change takes a field from', async () => {
  const { body } = await office.engineer.get(at(code, '/impact'))
  expect(body).toMatchObject({ dropped: ['phone'], added: [], changed: [], readsFromBeginning: false })
  expect(body.consumers).toEqual([
    {
      consumer: 'phone-user',
      agreement: expect.any(String),
      purpose: 'LZ-QD-001',
      dropped: ['phone'],
      added: [],
      changed: [],
    },
  ])
})

test('the difference is told by JSON pointers', async () => {
  const { body } = await office.auditor.get(at(code, '/diff?from=1&to=2'))
  expect(body.differences.map(({ change, pointer }: { change: string; pointer: string }) => [change, pointer])).toEqual(
    [
      ['changed', '/manifest/map/11/to'],
      ['changed', '/manifest/map/11/from'],
      ['removed', '/manifest/map/11/type'],
      ['added', '/manifest/map/11/codes'],
      ['removed', '/manifest/map/12'],
    ],
  )
  expect(brief(await office.auditor.get(at(code, '/diff?from=1&to=9')))).toEqual([404, 'VERSION_UNKNOWN'])
})

test('it takes over after the same reviews, and keeps its place where source and record are the same', async () => {
  expect(await stage.bring(code, 'activate')).toEqual(wellUpTo('activate'))
  expect((await office.editor.get(at(code))).body).toMatchObject({ live: { version: 2 }, open: null })
  expect(await cursor()).not.toBeNull()
  const { body } = await office.editor.get(at(code, '/versions'))
  expect(body.versions.map(({ version, state }: { version: number; state: string }) => [version, state])).toEqual([
    [2, 'active'],
    [1, 'retired'],
  ])
})

test('rolling back writes a new version that is equal to the old one', async () => {
  expect((await office.editor.post(at(code, '/rollback'), { version: 1, note: 'phones again' })).body).toEqual({
    code,
    version: 3,
  })
  expect((await office.editor.get(at(code, '/versions/3'))).body).toMatchObject({ state: 'draft', equalTo: 1 })
  expect((await office.editor.get(at(code, '/diff?from=1&to=3'))).body.differences).toEqual([])
  expect(brief(await office.editor.post(at(code, '/rollback'), { version: 7 }))).toEqual([404, 'VERSION_UNKNOWN'])
})

test('another record identity reads from the beginning, and the API says so before', async () => {
  const manifest = { ...manifestOf(code), record: { id: '/id' } }
  await office.editor.put(at(code, '/draft'), draftOf(code, { manifest }))
  expect((await office.editor.get(at(code))).body.readsFromBeginning).toBe(true)
  expect(await stage.bring(code, 'activate')).toEqual(wellUpTo('activate'))
  expect(await cursor()).toBeNull()
})

test('a feed keeps its dataset and department for life', async () => {
  const manifest = manifestOf(code)
  const other = { ...manifest, feed: { ...manifest.feed, code: 'LZ-GA-RK-131' } }
  expect(brief(await office.editor.put(at(code, '/draft'), draftOf(code, { manifest: other })))).toEqual([
    422,
    'MANIFEST_INVALID',
  ])
})

test('a new version does not lift a suspension', async () => {
  await office.editor.put(at(code, '/draft'), draftOf(code, { note: 'again' }))
  expect(await stage.bring(code, 'test')).toEqual(wellUpTo('test'))
  await office.officer.post(at(code, '/moves'), { action: 'suspend', reason: '核查' })
  expect(brief(await office.engineer.post(at(code, '/moves'), { action: 'activate' }))).toEqual([409, 'FEED_STATE'])
})

test('retiring ends every version for good', async () => {
  await office.reviewer.post(at(code, '/moves'), { action: 'retire', reason: '系统下线', disposition: 'keep' })
  expect((await office.editor.get(at(code))).body).toMatchObject({
    state: 'retired',
    live: null,
    open: null,
    actions: [],
  })
  expect(brief(await office.editor.put(at(code, '/draft'), draftOf(code)))).toEqual([409, 'FEED_STATE'])
})
