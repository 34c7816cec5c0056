import iconv from 'iconv-lite'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Dataset } from '../../../src/feeds/datasets.ts'
import { readCorrectedCells } from '../../../src/ingest/rejections/corrected-files.ts'
import { exportRejections, type ExportedTable } from '../../../src/ingest/rejections/export.ts'
import { fileForms } from '../../../src/ingest/table-files.ts'
import {
  resubmit,
  resubmitCells,
  type ResubmittedRow,
  type ResubmitContext,
} from '../../../src/ingest/rejections/resubmit.ts'
import { createRejectionView } from '../../../src/ingest/rejections/show.ts'
import { findFeed, type Feed } from '../../../src/store/feeds.ts'
import { readReconciliation } from '../../../src/store/reconciliation.ts'
import { countOpenRejections, listOpenRejections, type StoredRejection } from '../../../src/store/rejections.ts'
import { endRun } from '../../../src/store/runs.ts'
import { savePage } from '../../../src/store/save-page.ts'
import { rowToken } from '../../../src/ingest/protect.ts'
import { codeOf } from '../../support/coded-error.ts'
import { openTestInstallation, type TestInstallation } from '../../support/installation.ts'
import { beginRun, makePage, registerFeed, residentRows } from '../../support/ledger.ts'

let installation: TestInstallation
let feed: Feed
let dataset: Dataset
let feeds = 0

beforeAll(async () => {
  installation = await openTestInstallation('resubmit')
})
afterAll(() => installation.close())
beforeEach(async () => {
  feeds += 1
  feed = await registerFeed(installation, `LZ-GA-RK-${String(feeds).padStart(3, '0')}`)
  const found = installation.datasets.get(feed.dataset)
  if (found === undefined) throw new Error('wanted a dataset')
  dataset = found
})

const query = () => installation.database.query
const context = (change: Partial<ResubmitContext> = {}): ResubmitContext => ({
  database: installation.database,
  keys: installation.keys,
  feed,
  dataset,
  department: 'public-security',
  actor: 'account:engineer',
  ...change,
})

/** A run of one page, with what it settles. */
async function runPage(rows: readonly unknown[]): Promise<number> {
  const lease = await beginRun(installation, feed)
  const page = makePage(installation, feed, rows)
  const supersedes = page.seen.map((id) => rowToken(id, { feed: feed.code, keys: installation.keys }))
  await savePage(installation.database, feed, lease, { ...page, supersedes })
  await endRun(query(), lease, 'done', null)
  return lease.runId
}

const waiting = (department = 'public-security'): Promise<readonly StoredRejection[]> =>
  listOpenRejections(query(), { feedId: feed.feedId, department, rule: null, after: 0, limit: 1000 })

const stored = async (): Promise<readonly unknown[]> =>
  installation.asOwner('select source_record_id as id, version from gridbridge.record where feed_id = $1 order by 1', [
    feed.feedId,
  ])

const settled = (): Promise<readonly unknown[]> =>
  installation.asOwner(
    `select state, settled_run as run, sealed is null as gone, attempts from gridbridge.rejection where feed_id = $1 order by rejection_id`,
    [feed.feedId],
  )

/** A check digit that is wrong, and the number as it should be. */
const WRONG = { zjhm: '510502190001010018' }
const RIGHT = '510502190001010017'
const wrongRows = (first: number, last: number) => residentRows(first, last, WRONG)

async function exportAll(after = 0): Promise<ExportedTable> {
  const read = (from: number) =>
    listOpenRejections(query(), { feedId: feed.feedId, department: feed.department, rule: null, after: from, limit: 3 })
  return exportRejections(feed, dataset, installation.keys, read, after)
}

describe('refused rows', () => {
  test('are counted by rule and shown under the strictest mask, with what to do', async () => {
    await runPage([...wrongRows(1, 3), ...residentRows(4, 4, { mz: '', zjhm: '' }), 'no object'])
    expect(await countOpenRejections(query(), feed.feedId)).toMatchObject({
      rows: 5,
      byRule: expect.arrayContaining([
        { rule: 'DQ-013', rows: 3 },
        { rule: 'DQ-005', rows: 1 },
      ]),
    })
    const show = createRejectionView(feed, dataset, installation.keys)
    const shown = (await waiting()).map((one) => show(one).shown)
    expect(shown[0]).toMatchObject({
      row: 0,
      page: 0,
      reasons: [
        { rule: 'DQ-013', field: 'certNumber', adviceZh: expect.stringMatching(/核对/), adviceEn: expect.any(String) },
      ],
    })
    expect(shown[4]?.fields).toEqual({})
    const text = JSON.stringify(shown)
    expect(text).not.toMatch(/510502190001010018|张测试|19900000001|测试路1号/)
  })

  test('never show a number of a person, in whatever field it stands', async () => {
    const personal = '510502190001010017'
    const row = residentRows(1, 1)[0] ?? {}
    const rows = Object.keys(row).map((name, place) => ({
      ...row,
      id: `R-${place}`,
      lxfs: 'x',
      ...WRONG,
      [name]: personal,
    }))
    await runPage(rows)
    const shown = (await waiting()).map(createRejectionView(feed, dataset, installation.keys))
    expect(shown.length).toBeGreaterThan(10)
    expect(JSON.stringify(shown)).not.toContain(personal)
  })

  test('are nobody else’s: another department gets none, whatever it asks for', async () => {
    await runPage(wrongRows(1, 3))
    expect(await waiting('civil-affairs')).toEqual([])
    const [one] = await waiting()
    const resubmitted = { rejectionId: one?.rejectionId ?? 0, row: residentRows(1, 1)[0] }
    expect(await codeOf(() => resubmit(context({ department: 'civil-affairs' }), [resubmitted]))).toBe(
      'REJECTION_SETTLED',
    )
    expect(await stored()).toEqual([])
  })
})

describe('corrected rows', () => {
  test('become records, settle what they correct, and leave the cursor where it is', async () => {
    await runPage(wrongRows(1, 4))
    const before = await findFeed(query(), feed.code)
    const [first, second, third, fourth] = await waiting()
    const corrected: readonly ResubmittedRow[] = [first, second, third].map((one, place) => ({
      rejectionId: one?.rejectionId ?? 0,
      row:
        place < 2
          ? residentRows(place + 1, place + 1)[0]
          : { ...residentRows(3, 3)[0], zjhm: RIGHT, csrq: '不是日期', wg: { bm: 'x' } },
    }))
    const { run, results } = await resubmit(context(), corrected)
    expect(run).toMatchObject({ kind: 'resubmission', state: 'done', pulled: 3, valid: 2, rejected: 1, inserted: 2 })
    expect(results.map(({ outcome }) => outcome)).toEqual(['resubmitted', 'resubmitted', 'refused'])
    expect(results[2]?.reasons.map(({ field }) => field)).toEqual(expect.arrayContaining(['birthDate', 'gridCode']))
    expect(await stored()).toEqual([
      { id: 'R-1', version: 1 },
      { id: 'R-2', version: 1 },
    ])
    expect(await settled()).toEqual([
      { state: 'resubmitted', run: run.runId, gone: true, attempts: 0 },
      { state: 'resubmitted', run: run.runId, gone: true, attempts: 0 },
      { state: 'open', run: null, gone: false, attempts: 1 },
      { state: 'open', run: null, gone: false, attempts: 0 },
    ])
    expect((await findFeed(query(), feed.code)).cursor).toEqual(before.cursor)
    expect(await readReconciliation(query(), run.runId)).toMatchObject({ isExplained: true })
    expect(fourth).toBeDefined()
  })

  test('are taken whole or not at all when one of them no longer waits', async () => {
    await runPage(wrongRows(1, 2))
    const [first, second] = await waiting()
    await runPage(residentRows(2, 2))
    const both = [first, second].map((one, place) => ({
      rejectionId: one?.rejectionId ?? 0,
      row: residentRows(place + 1, place + 1)[0],
    }))
    expect(await codeOf(() => resubmit(context(), both))).toBe('REJECTION_SETTLED')
    expect(await stored()).toEqual([{ id: 'R-2', version: 1 }])
    expect(await codeOf(() => resubmit(context(), [...both, ...both]))).toBe('RESUBMISSION_INVALID')
    expect(await codeOf(() => resubmit(context(), []))).toBe('RESUBMISSION_INVALID')
  })

  test('of two at once only one is taken', async () => {
    await runPage(wrongRows(1, 1))
    const [one] = await waiting()
    const send = () =>
      codeOf(() => resubmit(context(), [{ rejectionId: one?.rejectionId ?? 0, row: residentRows(1, 1)[0] }]))
    expect((await Promise.all([send(), send(), send()])).toSorted()).toEqual([
      'REJECTION_SETTLED',
      'REJECTION_SETTLED',
      'none',
    ])
  })
})

describe('a later run', () => {
  test('settles what it saves, and keeps only its newest word of what it refuses again', async () => {
    await runPage(wrongRows(1, 3))
    const second = await runPage([...residentRows(1, 1), ...wrongRows(2, 2)])
    expect(await settled()).toEqual([
      { state: 'superseded', run: second, gone: true, attempts: 0 },
      { state: 'superseded', run: second, gone: true, attempts: 0 },
      { state: 'open', run: null, gone: false, attempts: 0 },
      { state: 'open', run: null, gone: false, attempts: 0 },
    ])
  })

  test('that refuses a row without an id again keeps it once', async () => {
    await runPage(['no object', { xm: '无编号' }])
    await runPage(['no object', { xm: '无编号' }])
    expect(await waiting()).toHaveLength(2)
  })
})

describe('an exported file', () => {
  test.each(['utf8', 'gb18030'])('comes back corrected, as a spreadsheet saves it in %s', async (encoding) => {
    await runPage(wrongRows(1, 7))
    const csv = (await fileForms.csv.write(await exportAll())).toString('utf8')
    expect(csv).toContain('核对证件原件后更正')
    const corrected = csv.replaceAll('510502190001010018', RIGHT)
    const cells = await readCorrectedCells('csv', iconv.encode(corrected, encoding))
    const { run } = await resubmitCells(context(), cells)
    expect(run).toMatchObject({ pulled: 7, inserted: 7, rejected: 0 })
    expect(await waiting()).toEqual([])
  })

  test('whose column was left out, or that nobody corrected, changes nothing of the rest', async () => {
    await runPage(wrongRows(1, 1))
    const table = await exportAll()
    const at = table.head.indexOf('zjhm')
    const line = [...(table.rows[0] ?? [])]
    const csv = `#rejection,zjhm\r\n${line[0] ?? ''},'${RIGHT}\r\n`
    expect(line[at]).toBe(WRONG.zjhm)
    const { run } = await resubmitCells(context(), await readCorrectedCells('csv', Buffer.from(csv)))
    expect(run).toMatchObject({ inserted: 1, rejected: 0 })
  })

  test.each([
    ['nothing', ''],
    ['no column of ids', 'a,b\r\n1,2\r\n'],
    ['an id that is none', '#rejection\r\nabc\r\n'],
    ['two columns of one name', '#rejection,a,a\r\n1,2,3\r\n'],
    ['a quote that never closes', '#rejection,a\r\n1,"x\r\n2,y\r\n'],
    ['too many rows', `#rejection\r\n${Array.from({ length: 5001 }, (_, id) => id + 1).join('\r\n')}`],
  ])('with %s is refused with a code', async (_what, csv) => {
    expect(await codeOf(() => readCorrectedCells('csv', Buffer.from(csv)))).toBe('RESUBMISSION_INVALID')
  })

  test('as a workbook holds texts only', async () => {
    await runPage(residentRows(1, 2, { ...WRONG, xm: '=HYPERLINK("http://x")' }))
    const bytes = await fileForms.xlsx.write(await exportAll())
    const { Workbook } = await import('@cj-tech-master/excelts')
    const workbook = new Workbook()
    await workbook.xlsx.load(bytes)
    const sheet = workbook.getWorksheet('data')
    const values = (sheet?.getRow(2).values ?? []) as readonly unknown[]
    expect(values.filter((value) => value !== undefined && typeof value !== 'string')).toEqual([])
    expect(values).toContain(WRONG.zjhm)
    expect(values).toContain(`'=HYPERLINK("http://x")`)
  })

  test('goes on after the last row of the one before', async () => {
    await runPage(wrongRows(1, 7))
    const [, second] = await waiting()
    const rest = await exportAll(second?.rejectionId)
    expect(rest.rows).toHaveLength(5)
    expect(rest.next).toBeNull()
  })
})
