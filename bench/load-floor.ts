import pg from 'pg'
import { request } from 'undici'
import { openAuth } from '../src/ingest/sources/http-auth.ts'
import { createEgressGuard } from '../src/security/egress.ts'
import { canonicalQuery } from '../src/security/request-signature.ts'
import { answer, readManifest, readTask } from './task.ts'

/**
 * The floor: the same signed requests by the same client, JSON.parse, and one insert of (id, jsonb) by unnest for each page;
 * the next page is fetched while this one is written, as the product does. Nothing else.
 */
const task = readTask()
const { manifest } = readManifest(task)
if (manifest.source.kind !== 'http') throw new Error('the floor reads HTTP')
const { source } = manifest
const egress = createEgressGuard(['loopback'])
const dispatcher = egress.agent(3000)
const door = { egress, agent: dispatcher, timeouts: source.timeouts }
const authenticator = openAuth(source.auth, task.secrets, door)
const pool = new pg.Pool({ connectionString: task.databaseUrl, max: 2 })

interface Page {
  readonly data: { readonly items: readonly { readonly rkbm: string }[]; readonly next: string | null }
}

async function fetchPage(token: string | null): Promise<Page> {
  const query = [
    ['updatedFrom', '2020-01-01T00:00:00+08:00'],
    ['updatedTo', new Date().toISOString()],
    ...(token === null ? [] : [['pageToken', token]]),
    ['size', String(source.paging.size)],
  ] as unknown as readonly (readonly [string, string])[]
  const url = `${source.baseUrl}${source.request.path}?${canonicalQuery(query)}`
  const { path } = source.request
  const { headers } = await authenticator.prove({ method: 'GET', path, query, body: '', form: null })
  const response = await request(url, { dispatcher, headers })
  return JSON.parse(await response.body.text()) as Page
}

async function insertPage(page: Page): Promise<void> {
  const { items } = page.data
  await pool.query('insert into floor select * from unnest($1::text[], $2::jsonb[])', [
    items.map((item) => item.rkbm),
    items.map((item) => JSON.stringify(item)),
  ])
}

await pool.query('select 1')
const startedAt = performance.now()
let records = 0
let next: Promise<Page> | null = fetchPage(null)
while (next !== null) {
  const page: Page = await next
  next = page.data.next === null ? null : fetchPage(page.data.next)
  await insertPage(page)
  records += page.data.items.length
}
answer(records, startedAt)
await pool.end()
await dispatcher.close()
