import { appendFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import iconv from 'iconv-lite'
import { expect, onTestFinished, test } from 'vitest'
import type { FileSourceManifest } from '../../../src/feeds/manifest-file.ts'
import type { Source } from '../../../src/ingest/sources/source.ts'
import { codeOf } from '../../support/coded-error.ts'
import { collect } from './collect.ts'

/** A real server that serves folders of this machine. */
export interface RemoteDrop {
  readonly makeFolder: () => string
  readonly open: (folder: string, transport?: object, source?: Partial<FileSourceManifest>) => Source
}

const EMPTY_MARKER = { marker: { kind: 'empty', suffix: '.ok' } } as const

/** The tests of what can befall a file on any server. */
export function testRemoteFaults({ makeFolder, open }: RemoteDrop): void {
  const write = (folder: string, name: string | Buffer, content: string): void => {
    const file = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name)])
    writeFileSync(file, content)
    writeFileSync(Buffer.concat([file, Buffer.from('.ok')]), '')
  }
  const openUncounted = (folder: string, source: Partial<FileSourceManifest> = {}): Source =>
    open(folder, {}, { ...EMPTY_MARKER, maxFileBytes: 1_000_000_000, ...source })

  test('a file that grows while it is fetched is refused, though nobody stated its size', async () => {
    const folder = makeFolder()
    write(folder, 'a.csv', `id,name\n${'1,样例\n'.repeat(4_000_000)}`)
    const growing = setInterval(() => appendFileSync(path.join(folder, 'a.csv'), '2,样例\n'), 1)
    onTestFinished(() => clearInterval(growing))
    await expect(openUncounted(folder).readPage(null, new Date())).rejects.toMatchObject({
      code: 'SOURCE_FILE_INVALID',
      detail: expect.stringContaining('was written to while it was being read'),
    })
  })

  test('a file that vanishes between two pages is worth trying again', async () => {
    const folder = makeFolder()
    write(folder, 'a.csv', `id,name\n${'1,样例\n'.repeat(250)}`)
    const { cursor } = await openUncounted(folder).readPage(null, new Date())
    rmSync(path.join(folder, 'a.csv'))
    expect(await codeOf(() => openUncounted(folder).readPage(cursor, new Date()))).toBe('SOURCE_UNAVAILABLE')
  })

  test('a Chinese name is read where it is UTF-8, and refused with advice where it is GB18030', async () => {
    const folder = makeFolder()
    write(folder, '人员_一.csv', 'id,name\n1,样例\n')
    expect((await collect(openUncounted(folder))).values).toEqual([{ id: '1', name: '样例' }])
    write(folder, iconv.encode('人员_二.csv', 'gb18030'), 'id,name\n2,样例\n')
    await expect(collect(openUncounted(folder))).rejects.toMatchObject({
      code: 'SOURCE_FILE_INVALID',
      detail: expect.stringContaining('rename the file'),
    })
  })
}
