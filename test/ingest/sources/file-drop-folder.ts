import { hash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import type { FileSourceManifest } from '../../../src/feeds/manifest-file.ts'
import { openFileSource, type FileSourceOptions } from '../../../src/ingest/sources/file.ts'
import type { Source } from '../../../src/ingest/sources/source.ts'
import { createEgressGuard } from '../../../src/security/egress.ts'
import { makeFolder } from '../../support/folder.ts'

/** A drop directory of one test. */
export interface DropFolder {
  readonly path: string
  /** Writes a data file and the marker beside it: the rows given and the true digest. */
  readonly drop: (name: string, content: string | Uint8Array, rows: number) => void
  readonly write: (name: string, content: string | Uint8Array) => void
  /** A source over the folder that the test's end closes; CSV in pages of 100 rows unless `change` says otherwise. */
  readonly open: (change?: Partial<FileSourceManifest>, options?: Partial<FileSourceOptions>) => Source
}

export function makeDropFolder(): DropFolder {
  const folder = makeFolder('drop-')
  const write = (name: string, content: string | Uint8Array): void => writeFileSync(path.join(folder, name), content)
  return {
    path: folder,
    write,
    drop: (name, content, rows) => {
      write(name, content)
      write(`${name}.ok`, JSON.stringify({ rows, sm3: hash('sm3', content) }))
    },
    open: (change, options) => openDrop({ directory: folder, ...change }, options),
  }
}

/** A source over any drop directory that the test's end closes. */
export function openDrop(change: Partial<FileSourceManifest>, options: Partial<FileSourceOptions> = {}): Source {
  const manifest: FileSourceManifest = {
    kind: 'file',
    directory: '/nowhere',
    pattern: '*',
    marker: { suffix: '.ok' },
    format: { kind: 'csv', encoding: 'utf-8', delimiter: ',' },
    pageSize: 100,
    ...change,
  }
  const limits = { pageBytes: 1_000_000, pages: 100_000 }
  const source = openFileSource({ manifest, limits, secrets: {}, egress: createEgressGuard([]), ...options })
  onTestFinished(() => source.close())
  return source
}
