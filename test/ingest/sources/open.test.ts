import { expect, test } from 'vitest'
import type { HttpAuth } from '../../../src/feeds/manifest-auth.ts'
import type { Manifest, SourceManifest } from '../../../src/feeds/manifest-types.ts'
import { openSource } from '../../../src/ingest/sources/open.ts'
import { createEgressGuard } from '../../../src/security/egress.ts'

const egress = createEgressGuard(['10.20.0.0/16:443'])

function manifestOf(source: SourceManifest): Manifest {
  return {
    manifestVersion: 1,
    feed: {
      code: 'LZ-GA-RK-001',
      department: 'public-security',
      dataset: 'resident',
      title: '人口',
      titleEn: 'People',
      updateCycle: 'P1D',
    },
    source,
    record: { id: '/id' },
    map: [{ to: '/sourceRecordId', from: '/id' }],
    deletes: { kind: 'none' },
    quality: { errorBudget: { records: 10, ratio: 0.05 } },
    limits: { pageBytes: 10_000, pages: 10 },
    schedule: { cron: '0 2 * * *', timezone: 'Asia/Shanghai' },
  }
}

function httpSource(auth: HttpAuth, baseUrl = 'https://10.20.0.5/api'): SourceManifest {
  return {
    kind: 'http',
    baseUrl,
    auth,
    request: { method: 'GET', path: '/people', query: {} },
    records: '/rows',
    paging: { kind: 'token', size: 10, next: '/next' },
    timeouts: { connectMs: 100, totalMs: 100 },
  }
}

test.each([
  [{ kind: 'bearer', token: 'apiToken' } as const, {}, 'apiToken'],
  [{ kind: 'hmac-sm3', appKey: 'appKey', appSecret: 'appSecret' } as const, { appKey: 'a' }, 'appSecret'],
  [{ kind: 'bearer', token: 'toString' } as const, {}, 'toString'],
  [{ kind: 'bearer', token: 'blank' } as const, { blank: '' }, 'blank'],
])('a secret that was not given is named (%o)', async (auth, secrets, name) => {
  await expect(openSource(manifestOf(httpSource(auth)), secrets, egress)).rejects.toMatchObject({
    code: 'SECRET_MISSING',
    detail: expect.stringContaining(name),
  })
})

test('each kind of source opens from a whole manifest', async () => {
  const http = await openSource(manifestOf(httpSource({ kind: 'none' })), {}, egress)
  await http.close()
  const drop: SourceManifest = {
    kind: 'file',
    directory: 'test/ingest/sources',
    pattern: 'none_*.csv',
    marker: { suffix: '.ok' },
    format: { kind: 'csv', encoding: 'utf-8', delimiter: ',' },
    pageSize: 10,
  }
  const file = await openSource(manifestOf(drop), {}, egress)
  expect((await file.readPage(null, new Date())).done).toBe(true)
  const sql: SourceManifest = {
    kind: 'sql',
    driver: 'postgresql',
    host: '10.21.0.5',
    port: 443,
    database: 'd',
    user: 'u',
    password: 'word',
    table: 't',
    columns: ['id', 'at'],
    tls: { kind: 'off' },
    reading: {
      kind: 'keyset',
      updatedAt: 'at',
      id: 'id',
      window: { lookbackSeconds: 0, settleSeconds: 0, start: '2026-01-01T00:00:00Z' },
    },
    pageSize: 10,
    timeoutMs: 100,
  }
  await expect(openSource(manifestOf(sql), { word: 'w' }, egress)).rejects.toMatchObject({ code: 'EGRESS_FORBIDDEN' })
})

test('an address outside the allowed ranges is refused before anything is sent', async () => {
  for (const baseUrl of [
    'https://10.21.0.5/api',
    'http://10.20.0.5/api',
    'https://user:word@10.20.0.5/api',
    'ftp://10.20.0.5',
  ]) {
    const opening = openSource(manifestOf(httpSource({ kind: 'none' }, baseUrl)), {}, egress)
    await expect(opening).rejects.toMatchObject({ code: 'EGRESS_FORBIDDEN' })
    await expect(opening).rejects.not.toThrow('word')
  }
})
