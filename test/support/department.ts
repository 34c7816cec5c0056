import { createServer } from 'node:http'
import type { Manifest } from '../../src/feeds/manifest-types.ts'
import { createManifest } from '../feeds/sample-manifest.ts'
import { residentRows } from './ledger.ts'
import { listen } from './listen.ts'

export interface Department {
  /** What a manifest of this department's list says; each feed reads its own list. */
  readonly source: Manifest['source']
  readonly close: () => void
}

type Row = Readonly<Record<string, unknown>>

/**
 * A department system that offers `rows` residents in pages of `size`, each after `latencyMs`, on a real socket. `change` is
 * what its rows look like.
 */
export async function startDepartment(
  rows: number,
  size: number,
  latencyMs: number,
  change: (row: Row) => Row = (row) => row,
): Promise<Department> {
  const all = residentRows(1, rows).map(change)
  const server = createServer((request, response) => {
    const from = Number(new URL(request.url ?? '/', 'http://department.invalid').searchParams.get('page') ?? 0)
    const next = from + size < rows ? String(from + size) : null
    const body = JSON.stringify({ data: { rows: all.slice(from, from + size), next } })
    setTimeout(() => response.setHeader('content-type', 'application/json').end(body), latencyMs)
  })
  const { source } = createManifest()
  if (source.kind !== 'http') throw new Error('wanted an HTTP source')
  return {
    source: {
      ...source,
      baseUrl: `http://127.0.0.1:${await listen(server)}`,
      request: { ...source.request, query: { page: '{page.token}' } },
    },
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
