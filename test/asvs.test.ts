import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import papaparse from 'papaparse'
import { expect, test } from 'vitest'
import { projectRoot } from './support/command-line.ts'

interface Row {
  readonly requirement: string
  readonly level: string
  readonly test: string
  readonly reason: string
}

const { data: rows } = papaparse.parse<Row>(readFileSync(path.join(projectRoot, 'docs/asvs.csv'), 'utf8'), {
  header: true,
  skipEmptyLines: true,
})

test('every requirement of levels 1 and 2 of OWASP ASVS 5.0 is there once, and those of level 3 that were chosen', () => {
  expect(new Set(rows.map(({ requirement }) => requirement)).size).toBe(rows.length)
  const counts = ['1', '2', '3'].map((level) => rows.filter((row) => row.level === level).length)
  expect(counts).toEqual([70, 183, 20])
})

test('none is without a reason, and each test that is named is there', () => {
  expect(rows.filter(({ reason }) => reason.trim().length < 4)).toEqual([])
  const named = rows.flatMap(({ requirement, test: files }) =>
    files.split(' ').flatMap((file) => (file === '' ? [] : [{ requirement, file }])),
  )
  expect(named.length).toBeGreaterThan(200)
  expect(named.filter(({ file }) => !existsSync(path.join(projectRoot, file)))).toEqual([])
})
