import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { at, brief, openFeedStage, wellUpTo, type FeedStage } from './feed-stage.ts'

let stage: FeedStage
let office: FeedStage['office']
const code = 'LZ-GA-RK-400'

beforeAll(async () => {
  stage = await openFeedStage()
  ;({ office } = stage)
  await stage.register(code)
})
afterAll(() => stage.close())

type Cell = Readonly<Record<'department' | 'dataset' | 'state', string>> & { readonly reason: string | null }

const cellOf = async (department: string, dataset: string): Promise<Cell | undefined> => {
  const { body } = await office.auditor.get('/api/v1/coverage')
  return (body.cells as readonly Cell[]).find((cell) => cell.department === department && cell.dataset === dataset)
}

describe('coverage', () => {
  test('names every registered department with what it offers by default', async () => {
    const { body } = await office.neighbour.get('/api/v1/coverage')
    expect(new Set(body.cells.map(({ department }: Cell) => department)).size).toBeGreaterThanOrEqual(14)
    expect(body.totals.missing + body.totals.pending).toBe(body.cells.length)
  })

  test('follows a feed from pending to connected', async () => {
    expect(await cellOf('public-security', 'resident')).toMatchObject({ state: 'pending', name: '公安' })
    expect(await stage.bring(code, 'activate')).toEqual(wellUpTo('activate'))
    expect(await cellOf('public-security', 'resident')).toMatchObject({ state: 'connected' })
  })

  test('a department refuses with a reason and takes it back', async () => {
    const path = '/api/v1/coverage/public-security/entity/refusal'
    expect(brief(await office.reviewer.put(path, { reason: ' ' }))).toEqual([400, 'REQUEST_INVALID'])
    expect((await office.reviewer.put(path, { reason: '无法律依据' })).body).toEqual({ refused: true })
    expect(await cellOf('public-security', 'entity')).toMatchObject({ state: 'refused', reason: '无法律依据' })
    expect((await office.reviewer.remove(path)).body).toEqual({ refused: false })
    expect(await cellOf('public-security', 'entity')).toMatchObject({ state: 'missing', reason: null })
  })

  test('nobody refuses for another department, and nothing that is no dataset', async () => {
    const path = '/api/v1/coverage/civil-affairs/grid/refusal'
    expect(brief(await office.reviewer.put(path, { reason: 'x' }))).toEqual([403, 'FORBIDDEN'])
    const unknown = '/api/v1/coverage/public-security/weather/refusal'
    expect(brief(await office.reviewer.put(unknown, { reason: 'x' }))).toEqual([400, 'REQUEST_INVALID'])
  })
})

test('the catalogue is told in the national core metadata', async () => {
  const { body } = await office.auditor.get('/api/v1/catalogue')
  expect(body.entries).toHaveLength(1)
  const [entry] = body.entries
  expect(entry).toMatchObject({
    信息资源分类: '307000',
    信息资源名称: '实有人口',
    信息资源代码: '307000/0001',
    信息资源提供方: '泸州市公安局',
    信息资源提供方代码: '115105000000000198',
    信息资源格式: '数据库',
    共享属性: { 共享类型: '有条件共享', 共享条件: '用于网格化服务管理', 共享方式: '服务接口' },
    开放属性: { 是否向社会开放: '否', 开放条件: '' },
    更新周期: '每日',
    发布日期: '2026-10-10',
    关联资源代码: [],
  })
  expect(entry.信息项信息).toContainEqual({ 信息项名称: '姓名', 数据类型: '字符型', 数据分级: expect.any(String) })
  expect(entry.信息项信息).toHaveLength(stage.manifestOf(code).map.length)
})

describe('service items', () => {
  const item = {
    name: '房屋信息核实',
    county: '510503',
    approvalNo: '纳府发〔2026〕2号',
    validFrom: '2026-01-01',
    validTo: null,
  }
  const publish = (change: object) => office.engineer.put('/api/v1/service-items/LZ-QD-009', { ...item, ...change })

  test('are published and listed', async () => {
    expect((await publish({})).body).toEqual({ code: 'LZ-QD-009', ...item, withdrawn: null })
    expect((await office.auditor.get('/api/v1/service-items')).body.items).toContainEqual({
      code: 'LZ-QD-009',
      ...item,
      withdrawn: null,
    })
  })

  test('are withdrawn with a reason, and published again they are on the list', async () => {
    await publish({})
    const withdraw = () => office.engineer.post('/api/v1/service-items/LZ-QD-009/withdraw', { reason: '事项调整退出' })
    expect((await withdraw()).body).toEqual({ code: 'LZ-QD-009' })
    const listed = async (): Promise<unknown> =>
      (await office.auditor.get('/api/v1/service-items')).body.items.find(
        (one: { code: string }) => one.code === 'LZ-QD-009',
      )
    expect(await listed()).toMatchObject({ withdrawn: '事项调整退出' })
    expect(brief(await withdraw())).toEqual([404, 'ITEM_UNKNOWN'])
    await publish({})
    expect(await listed()).toMatchObject({ withdrawn: null })
  })

  test.each([
    ['a punishment', { name: '行政处罚告知' }],
    ['a day that does not exist', { validFrom: '2026-02-30' }],
    ['a term that ends before it begins', { validTo: '2025-12-31' }],
    ['a county that is no code', { county: '江阳区' }],
  ])('%s is refused', async (_what, change) => {
    expect(brief(await publish(change))).toEqual([400, 'REQUEST_INVALID'])
  })

  test('one that was withdrawn shuts the gate of the feeds that serve it', async () => {
    await stage.register('LZ-GA-RK-401')
    const withdrawn = { ...item, validFrom: '2024-10-01', validTo: '2025-01-01' }
    await office.engineer.put('/api/v1/service-items/LZ-QD-001', withdrawn)
    expect((await office.editor.get(at('LZ-GA-RK-401'))).body.missing).toEqual([
      expect.stringMatching(/^\/legalBasis\/purposes/),
    ])
  })
})

describe('an address for a department', () => {
  const endpoint = {
    department: 'public-security',
    scheme: 'https',
    address: '10.20.0.0/16',
    firstPort: 443,
    lastPort: 443,
  }
  test.each([
    ['of a department that nobody registered', { department: 'weather' }],
    ['that is every address', { address: '0.0.0.0/0' }],
    ['that is this machine by name', { address: 'localhost' }],
    ['with ports the wrong way round', { lastPort: 80 }],
    ['with a port that does not exist', { lastPort: 70_000 }],
    ['with a member too many', { approvedBy: 1 }],
  ])('%s is refused', async (_what, change) => {
    expect(brief(await office.officer.post('/api/v1/endpoints', { ...endpoint, ...change }))).toEqual([
      400,
      'REQUEST_INVALID',
    ])
  })

  test('is shown to its own department and to the city', async () => {
    const { body } = await office.officer.post('/api/v1/endpoints', endpoint)
    expect((await office.editor.get('/api/v1/endpoints')).body.endpoints).toContainEqual(body)
    expect((await office.neighbour.get('/api/v1/endpoints')).body.endpoints).toEqual([])
  })
})
