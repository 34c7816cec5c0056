import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findFeed } from '../../src/store/feeds.ts'
import { registerConsumer, residentRows, storeRows } from '../support/ledger.ts'
import { catalogueEntry, type Office } from '../support/office.ts'
import { bearerOf } from './door.ts'
import { brief, openFeedStage, wellUpTo, type FeedStage } from './feed-stage.ts'

let stage: FeedStage
let office: Office
const code = 'LZ-GA-RK-500'

beforeAll(async () => {
  stage = await openFeedStage()
  ;({ office } = stage)
  await stage.register(code)
})
afterAll(() => stage.close())

const show = async (dataset: string) => (await office.auditor.get(`/api/v1/datasets/${dataset}`)).body
const search = async (text: string): Promise<readonly string[]> => {
  const { body } = await office.auditor.get(`/api/v1/datasets?text=${encodeURIComponent(text)}`)
  return body.datasets.map(({ dataset }: { readonly dataset: string }) => dataset)
}

/** As if the department had said otherwise in the catalogue entry of its live feed. */
const declare = (change: object) =>
  stage.installation.asOwner(`update gridbridge.feed_version set catalogue = $1 where state = 'active'`, [
    JSON.stringify({ ...catalogueEntry, ...change }),
  ])

describe('the catalogue', () => {
  test('lists every dataset with who leads it, before anybody feeds it', async () => {
    const { body } = await office.auditor.get('/api/v1/datasets')
    expect(body.datasets).toHaveLength(stage.installation.datasets.size)
    expect(body.datasets.find(({ dataset }: { readonly dataset: string }) => dataset === 'resident')).toMatchObject({
      title: '实有人口',
      titleEn: 'Resident',
      lead: { department: 'public-security', name: '公安' },
      providers: [],
      sharing: { type: 'conditional', isDeclared: false, updateCycle: null },
      quality: { received: 0, completeness: null, timeliness: null },
    })
  })

  test('tells of each field what it is, how it is protected and which codes it holds', async () => {
    const { fields } = await show('resident')
    const fieldOf = (name: string) => fields.find((field: { readonly name: string }) => field.name === name)
    expect(fieldOf('certNumber')).toMatchObject({ class: 'identifier', level: 'L4', defaultForm: 'mask', codes: null })
    expect(fieldOf('sex')).toMatchObject({
      title: '性别',
      titleEn: 'Sex',
      codes: { name: 'sex', edition: 'GB/T 2261.1-2003', labels: { '1': '男性', '2': '女性' } },
    })
    expect(fields.length).toBe(stage.installation.datasets.get('resident')?.properties.length)
  })

  test('is searched by words in both languages, names of fields and of departments', async () => {
    expect(await search('人口')).toContain('resident')
    expect(await search('Ｒesident')).toContain('resident')
    expect(await search('certNumber 公安')).toEqual(expect.arrayContaining(['person', 'resident']))
    expect(await search('certNumber 信访')).not.toContain('resident')
    expect(await search('没有这样的词')).toEqual([])
  })

  test('is for consumers too, and for nobody without a token', async () => {
    const consumer = await registerConsumer(stage.installation, 'grid-platform')
    const url = '/api/v1/datasets/resident'
    const headers = { authorization: await bearerOf(stage.server, consumer) }
    expect((await stage.server.inject({ url, headers })).json()).toMatchObject({ dataset: 'resident' })
    expect((await stage.server.inject({ url })).statusCode).toBe(401)
    expect(brief(await office.auditor.get('/api/v1/datasets/weather'))).toEqual([400, 'REQUEST_INVALID'])
  })
})

describe('with a live feed', () => {
  test('its catalogue entry decides, for the merged persons as well', async () => {
    expect(await stage.bring(code, 'activate')).toEqual(wellUpTo('activate'))
    const declared = { type: 'conditional', isDeclared: true, conditions: ['用于网格化服务管理'], updateCycle: '每日' }
    expect(await show('resident')).toMatchObject({ providers: [{ department: 'public-security' }], sharing: declared })
    expect(await show('person')).toMatchObject({ providers: [{ department: 'public-security' }], sharing: declared })
    await declare({ shareType: 3, shareCondition: null, shareBasis: '居民身份证法第十三条' })
    expect((await show('resident')).sharing).toMatchObject({ type: 'not-shared', basis: '居民身份证法第十三条' })
    expect((await show('person')).sharing.type).toBe('not-shared')
    await declare({})
  })

  test('quality is what its runs counted', async () => {
    const feed = await findFeed(stage.installation.database.query, code)
    const [wrong] = residentRows(90, 90, { zjhm: '510502190001010018' })
    const [nameless] = residentRows(91, 91, { xm: '' })
    const rows = [...residentRows(1, 6), ...residentRows(6, 6), wrong, nameless]
    await storeRows(stage.installation, feed, rows)
    expect((await show('resident')).quality).toEqual({
      received: 9,
      completeness: 0.8889,
      accuracy: 0.8889,
      consistency: 1,
      uniqueness: 0.8889,
      timeliness: 1,
      validity: 1,
    })
    await stage.installation.asOwner(`update gridbridge.run set finished_at = finished_at - interval '31 days'`)
    expect((await show('resident')).quality).toMatchObject({ received: 0, accuracy: null, timeliness: 0 })
  })
})
