import fc from 'fast-check'
import { expect, test } from 'vitest'
import { loadDatasets } from '../../src/feeds/datasets.ts'
import { describeDrift, keptName } from '../../src/feeds/drift-counts.ts'
import { createDriftWatch, type PageDrift, type Shape } from '../../src/ingest/drift.ts'
import { compileMapping } from '../../src/ingest/map.ts'
import { validate } from '../../src/ingest/validate.ts'
import { createManifest } from '../feeds/sample-manifest.ts'
import { residentRows } from '../support/ledger.ts'

const manifest = createManifest()
const dataset = loadDatasets().get('resident')
if (dataset === undefined) throw new Error('wanted the dataset')
const mapRow = compileMapping(manifest, dataset)

type Row = Readonly<Record<string, unknown>>

function watchPages(pages: readonly (readonly unknown[])[], learned: Shape = {}): readonly PageDrift[] {
  const watch = createDriftWatch(manifest, dataset!, learned)
  return pages.map((page) => {
    const raw = page.map((value, row) => mapRow({ row, value }))
    return watch(raw, validate(raw, dataset!).rejected)
  })
}

const without = (rows: readonly Row[], name: string): readonly Row[] =>
  rows.map((row) => Object.fromEntries(Object.entries(row).filter(([key]) => key !== name)))

test('a page that is as ever teaches its types once and reports nothing', () => {
  const [first, second] = watchPages([residentRows(1, 30), residentRows(31, 60)])
  expect(first?.shape).toMatchObject({ certNumber: ['string'], gridCode: ['string'] })
  expect(second).toEqual({ counts: { rows: 30 }, shape: null, lost: [] })
})

test('unknown fields are counted by name, each row once, nested ones too', () => {
  const rows = residentRows(1, 3).map((row, index) => ({
    ...row,
    ...(index < 2 ? { 备注: 'x' } : {}),
    wg: { bm: row['wg'], 网格员: 'y' },
  }))
  const report = describeDrift(watchPages([rows])[0]?.counts ?? {})
  expect(report.unknown).toEqual([
    { field: '网格员', rows: 3 },
    { field: '备注', rows: 2 },
  ])
})

test('a name that may be personal, malformed or one too many is counted without its name', () => {
  const names = ['19900000001', 'x19900000001', '张 三', 'a-b', '__proto__x'.repeat(9), '510502190001010017']
  const rows = residentRows(1, 1).map((row) => ({ ...row, ...Object.fromEntries(names.map((name) => [name, '1'])) }))
  const many = residentRows(2, 2).map((row) => ({
    ...row,
    ...Object.fromEntries(Array.from({ length: 80 }, (_, at) => [`f${at}`, '1'])),
  }))
  const [personal, crowded] = watchPages([rows, many]).map(({ counts }) => describeDrift(counts).unknown)
  expect(personal).toEqual([{ field: '', rows: 1 }])
  expect(crowded).toHaveLength(51)
})

test('whatever a source calls its fields, what is kept is a plain name', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 80 }), (name) => {
      expect(keptName(name)).toMatch(/^(?:[A-Za-z_\u4e00-\u9fff][\w\u4e00-\u9fff]{0,59})?$/)
    }),
  )
})

test('a required field that is gone from every row of a page of twenty is lost, of nineteen only missing', () => {
  const [long, short] = watchPages([without(residentRows(1, 20), 'zjhm'), without(residentRows(1, 19), 'zjhm')])
  expect(long?.lost).toEqual(['certNumber'])
  expect(describeDrift(long?.counts ?? {}).missing).toEqual([{ field: 'certNumber', rows: 20 }])
  expect(short?.lost).toEqual([])
})

test('one row that has the field is enough, and an optional field is never lost', () => {
  const rows = [...without(residentRows(1, 25), 'zjhm'), ...residentRows(26, 26)]
  expect(watchPages([rows])[0]?.lost).toEqual([])
  expect(watchPages([without(residentRows(1, 25), 'lxfs')])[0]?.lost).toEqual([])
})

test('rows that only tell of a deletion say nothing of the fields', () => {
  const deleted = without(residentRows(1, 30, { scbz: '1' }), 'zjhm')
  expect(watchPages([deleted])[0]).toEqual({ counts: {}, shape: null, lost: [] })
})

test('a field whose new type refuses every row is lost, one that still converts is reported', () => {
  const learned: Shape = { name: ['string'], certNumber: ['string'] }
  const objects = residentRows(1, 20, { xm: { first: 'x' } })
  const [lost] = watchPages([objects], learned)
  expect(lost?.lost).toEqual(['name'])
  expect(describeDrift(lost?.counts ?? {}).retyped).toEqual([{ field: 'name', was: 'string', now: 'object', rows: 20 }])
  const [converted] = watchPages([residentRows(1, 20, { lxfs: 19_900_000_001 })], { phone: ['string'] })
  expect(converted?.lost).toEqual([])
  expect(converted?.shape).toMatchObject({ phone: ['string', 'number'] })
})
