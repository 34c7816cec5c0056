import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createManifest } from './feeds/sample-manifest.ts'
import { environmentOf, runCommand } from './support/command-line.ts'
import { startDepartment, type Department } from './support/department.ts'
import { openTestInstallation, type TestInstallation } from './support/installation.ts'

let installation: TestInstallation
let department: Department
let directory = ''
let file = ''

beforeAll(async () => {
  installation = await openTestInstallation('cli')
  department = await startDepartment(30, 25, 0)
  directory = mkdtempSync(path.join(tmpdir(), 'gridbridge-preview-'))
  file = path.join(directory, 'resident.json')
  writeFileSync(file, JSON.stringify(createManifest({ source: department.source })))
})
afterAll(async () => {
  rmSync(directory, { recursive: true })
  department.close()
  await installation.close()
})

const preview = (...more: readonly string[]) =>
  runCommand(['feed', 'preview', file, ...more], environmentOf(installation))

test('feed preview shows rows raw, mapped and masked, writes it down, and registers nothing', async () => {
  const ended = await preview('--secret', 'residentToken=made-up', '--json')
  expect(ended.code).toBe(0)
  const shown = JSON.parse(ended.output) as { readonly read: number; readonly rows: readonly object[] }
  expect([shown.read, shown.rows.length]).toEqual([25, 20])
  expect(shown.rows[0]).toMatchObject({ raw: { xm: '张测试' }, mapped: { name: '张测试' }, masked: { name: '张**' } })
  const kept = await installation.asOwner('select from gridbridge.feed')
  const entries = await installation.asOwner(`select from audit.entry where event_type = 'feed.previewed'`)
  expect([kept.length, entries.length]).toEqual([0, 1])
})

test('it is a table for people', async () => {
  const { code, output } = await preview('--secret', 'residentToken=made-up')
  expect([code, output]).toEqual([0, expect.stringMatching(/name 姓名.*张测试.*张\*\*/)])
  expect(output).toMatch(/20 of 25 rows of the first page\n$/)
})

const previewDrop = (name: string, text: string) =>
  runCommand(
    ['feed', 'preview', writeDrop(name, text), '--set', `/source/directory=${path.join(directory, name)}`],
    environmentOf(installation),
  )

test('a refused row has the rule and what to do', async () => {
  const { code, output } = await previewDrop('wrong', 'id,xb\nA-1,错\n')
  expect([code, output]).toEqual([
    0,
    expect.stringMatching(/✗ (DQ-0\d\d) .*\n\1 \p{Script=Han}+：\p{Script=Han}+.* \/ [A-Z]/su),
  ])
})

test('a source without rows says so', async () => {
  const { code, output } = await previewDrop('empty', '')
  expect([code, output]).toEqual([0, expect.stringMatching(/gave no rows.*its marker/)])
})

/** A manifest whose files are dropped in a folder of its own, which is empty or holds one complete file. */
function writeDrop(name: string, text: string): string {
  const folder = path.join(directory, name)
  mkdirSync(folder)
  const format = { kind: 'csv', encoding: 'utf-8', delimiter: ',' } as const
  const marker = { suffix: '.ok', kind: 'empty' } as const
  const source = { kind: 'file', directory: '/none', pattern: '*.csv', marker, format, pageSize: 10 } as const
  if (text !== '') {
    writeFileSync(path.join(folder, 'rows.csv'), text)
    writeFileSync(path.join(folder, 'rows.csv.ok'), '')
  }
  const manifestFile = path.join(directory, `${name}.json`)
  writeFileSync(manifestFile, JSON.stringify(createManifest({ source, deletes: { kind: 'none' } })))
  return manifestFile
}

test('it refuses without the secret, and a source that cannot be read by its code', async () => {
  expect((await preview()).errors).toMatch(/^SECRET_MISSING: /)
  const away = await preview('--secret', 'residentToken=made-up', '--set', '/source/baseUrl=http://127.0.0.1:9')
  expect([away.code, away.errors]).toEqual([2, expect.stringMatching(/^SOURCE_UNAVAILABLE: /)])
})
