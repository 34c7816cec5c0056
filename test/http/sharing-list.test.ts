import Papa from 'papaparse'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openUsageStage, police, welfare, type UsageStage } from './usage-stage.ts'

let stage: UsageStage

beforeAll(async () => {
  stage = await openUsageStage()
})
afterAll(() => stage.close())

async function ask<Body>(who: string, path: string): Promise<Body> {
  const headers = { authorization: stage.tokens[who] ?? '' }
  const response = await stage.server.inject({ url: `/api/v1/usage${path}`, headers })
  expect([path, response.statusCode]).toEqual([path, 200])
  return response.json<Body>()
}

describe('the sharing list', () => {
  interface Listed {
    readonly consumer: string
    readonly state: string
    readonly fields: readonly unknown[]
  }
  const listed = async (who: string) => (await ask<{ entries: readonly Listed[] }>(who, '/sharing-list')).entries

  test('says what is shared with whom: basis, purpose, fields and forms, area, term', async () => {
    await stage.installation.asOwner(
      `update gridbridge.feed_version set legal_basis = $1 where state = 'active' and feed_id = (select feed_id from gridbridge.feed where code = $2)`,
      [
        JSON.stringify({
          departmentLaw: { kind: 'law', title: '中华人民共和国居民身份证法', article: '第六条' },
          luzhouArticle: '22',
        }),
        police,
      ],
    )
    const [entry, ...rest] = await listed('grid-platform')
    expect(rest).toEqual([])
    expect(entry).toMatchObject({
      consumer: 'grid-platform',
      dataset: 'resident',
      personal: true,
      purpose: 'LZ-QD-002',
      purposeName: '=HYPERLINK("http://x")',
      approvalNo: '测试批准',
      area: ['5105'],
      method: 'copy',
      state: 'IN_FORCE',
      grantedBy: 'operator:test',
      feeds: [
        {
          feed: police,
          departmentName: '公安',
          law: '中华人民共和国居民身份证法',
          article: '第六条',
          luzhouArticle: '22',
        },
        { feed: welfare, departmentName: '民政', law: null },
      ],
    })
    expect(entry?.fields).toEqual([
      { name: 'name', title: '姓名', level: expect.stringMatching(/^L[1-4]$/), form: 'mask' },
      { name: 'gridCode', title: expect.any(String), level: expect.any(String), form: 'mask' },
    ])
  })

  test('shows each viewer its own, and why nothing leaves', async () => {
    expect((await listed('mz-editor')).map(({ consumer }) => consumer)).toEqual(['grid-platform', 'hotline'])
    expect(await listed('health-editor')).toEqual([])
    await stage.installation.asOwner(
      `update gridbridge.agreement set suspended_at = now() where purpose = 'LZ-QD-001' and area = '{510504}'`,
    )
    await stage.installation.asOwner(`update gridbridge.consumer set stopped_at = now() where name = 'idle'`)
    expect((await listed('auditor')).map(({ consumer, state }) => [consumer, state])).toEqual([
      ['grid-platform', 'IN_FORCE'],
      ['hotline', 'AGREEMENT_SUSPENDED'],
      ['idle', 'CONSUMER_STOPPED'],
    ])
    await stage.installation.asOwner(
      `update gridbridge.agreement set valid_to = now() where consumer_id = (select consumer_id from gridbridge.consumer where name = 'idle')`,
    )
    expect((await listed('auditor')).at(-1)).toMatchObject({ consumer: 'idle', state: 'ENDED' })
    await stage.installation.asOwner(`update gridbridge.service_item set withdrawn_at = now() where code = 'LZ-QD-002'`)
    expect((await listed('grid-platform'))[0]?.state).toBe('PURPOSE_WITHDRAWN')
  })

  test('is a file that a spreadsheet takes for text, with the same rows', async () => {
    const authorization = stage.tokens['officer'] ?? ''
    const response = await stage.server.inject({
      url: '/api/v1/usage/sharing-list?format=csv',
      headers: { authorization },
    })
    expect(response.headers['content-type']).toBe('text/csv; charset=utf-8')
    expect(response.headers['content-disposition']).toBe('attachment; filename="sharing-list.csv"')
    const { data, errors } = Papa.parse<string[]>(response.body.replace(/^\ufeff/, ''), { skipEmptyLines: true })
    expect(errors).toEqual([])
    expect(data).toHaveLength(4)
    expect(data[0]?.[1]).toBe('使用方 consumer')
    const cells = data.slice(1).flat()
    expect(cells.filter((cell) => /^[=+\-@\t\r＝＋－＠\d]/u.test(cell))).toEqual([])
    expect(cells).toContain(`'=HYPERLINK("http://x") LZ-QD-002`)
    expect(cells).toContain('中华人民共和国居民身份证法 第六条')
    expect(cells.some((cell) => cell.includes('姓名 name（脱敏 mask）'))).toBe(true)
  })
})
