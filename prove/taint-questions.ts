import { ask, askRaw, basic, type Headers } from './taint-ask.ts'
import { fetchToken } from './taint-accounts.ts'
import type { Stage } from './taint-stage.ts'

export interface Consumer {
  readonly consumer: string
  readonly clientSecret: string
}

interface ChangePage {
  readonly changes: readonly unknown[]
  readonly cursor: string
  readonly hasMore: boolean
}

/** Every change of a dataset, in small pages. Returns how many there are. */
async function pull(stage: Stage, address: string, token: Headers, dataset: string): Promise<number> {
  let cursor = ''
  let changes = 0
  for (;;) {
    const url = `${address}/api/v1/datasets/${dataset}/changes?limit=250&cursor=${cursor}`
    const { body } = await ask(stage, `changes of ${dataset}`, url, { headers: token })
    const page = JSON.parse(body.toString()) as ChangePage
    changes += page.changes.length
    cursor = page.cursor
    if (!page.hasMore) return changes
  }
}

/** Questions that must be refused; the canaries stand in every part of a request that an answer or a log could repeat. */
async function askWrongly(stage: Stage, address: string, token: Headers): Promise<void> {
  const { name, certNumber, phone, mark } = stage.book.take()
  const changes = '/api/v1/datasets/resident/changes'
  const written = encodeURIComponent(name)
  const place = Buffer.from(`1.${certNumber}.${phone}`).toString('base64url')
  const form = new URLSearchParams({ grant_type: certNumber, [phone]: name })
  const questions: readonly (readonly [string, RequestInit])[] = [
    [`${changes}?cursor=${certNumber}`, { headers: token }],
    [`${changes}?cursor=${place}`, { headers: token }],
    [`${changes}?cursor=${Buffer.from(name).toString('base64url')}`, { headers: token }],
    [`${changes}?limit=${phone}`, { headers: token }],
    [`${changes}?limit=${written}&${certNumber}=${phone}`, { headers: token }],
    [`/api/v1/datasets/${written}/changes`, { headers: token }],
    [`/api/v1/datasets/${certNumber}/changes`, { headers: token }],
    [`/api/v1/${written}?id=${certNumber}`, { headers: { ...token, 'x-request-id': phone } }],
    // A path that cannot be decoded is refused before any route is looked for.
    [`/api/v1/datasets/${certNumber}${written}%E3%28/changes`, { headers: token }],
    [`/api/v1/datasets/${phone.repeat(12)}/changes`, { headers: token }],
    [changes, { headers: { authorization: `Bearer ${certNumber}${phone}` } }],
    [changes, { headers: { authorization: `Bearer ${written}` } }],
    [changes, { method: 'POST', headers: { 'content-type': 'application/json' }, body: `{"${name}": ` }],
    ['/oauth/token', { method: 'POST', headers: basic(certNumber, phone), body: form }],
    [
      '/oauth/token',
      {
        method: 'POST',
        headers: basic('%E3%28', certNumber),
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
      },
    ],
    [
      '/oauth/token',
      {
        method: 'POST',
        headers: basic(certNumber, phone),
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
      },
    ],
    ['/oauth/token', { method: 'POST', headers: { 'content-type': `text/${phone}` }, body: certNumber }],
    [
      '/oauth/token',
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: `{"__proto__": {"${phone}": "${name}"}}`,
      },
    ],
    [
      '/oauth/token',
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: `{"grant_type": "${name}" ${certNumber}`,
      },
    ],
    [
      '/oauth/token',
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ [certNumber]: mark.repeat(200_000) }),
      },
    ],
  ]
  for (const [number, [path, options]] of questions.entries())
    await ask(stage, `refused question ${number + 1}`, address + path, options)
  await askRaw(stage, address, `GET /${certNumber} ${phone}\r\n${phone}\r\n\r\n`)
  await askRaw(stage, address, `GET / HTTP/1.1\r\nhost: here\r\nx-${phone}: ${certNumber}\u0001\r\n\r\n`)
}

const operations = ['/healthz', '/readyz', '/metrics', '/openapi.json', '/docs', '/docs/', '/nothing-here'] as const

/** All that can be asked of the API, rightly and wrongly. Returns how many changes were answered. */
export async function askEverything(
  stage: Stage,
  address: string,
  consumer: Consumer,
  datasets: readonly string[],
): Promise<number> {
  const token = await fetchToken(stage, address, consumer.consumer, consumer.clientSecret)
  let changes = 0
  for (const dataset of datasets) changes += await pull(stage, address, token, dataset)
  await ask(stage, 'changes of grid', `${address}/api/v1/datasets/grid/changes`, { headers: token })
  await askWrongly(stage, address, token)
  for (const path of operations) await ask(stage, path, address + path)
  return changes
}
