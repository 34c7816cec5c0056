import type { AddedConsumer } from '../src/commands.ts'
import type { paths } from '../tools/openapi-types/openapi.d.ts'
import { datasets, type Dataset } from './city/options.ts'

/** A consumer as the grid platform would write it: a token, then every page of every dataset. */
type Token = paths['/oauth/token']['post']['responses'][200]['content']['application/json']
type ChangePage = paths['/api/v1/datasets/{dataset}/changes']['get']['responses'][200]['content']['application/json']

async function fetchToken(api: string, consumer: AddedConsumer): Promise<string> {
  const credentials = Buffer.from(`${consumer.consumer}:${encodeURIComponent(consumer.clientSecret)}`).toString(
    'base64',
  )
  const response = await fetch(new URL('/oauth/token', api), {
    method: 'POST',
    headers: { authorization: `Basic ${credentials}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })
  return ((await response.json()) as Token).access_token
}

async function pullDataset(api: string, token: string, dataset: Dataset): Promise<number> {
  const alive = new Set<string>()
  let cursor = ''
  for (;;) {
    const url = new URL(`/api/v1/datasets/${dataset}/changes?limit=1000&cursor=${cursor}`, api)
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
    if (!response.ok) throw new Error(`the API answered ${response.status} for ${dataset}`)
    const page = (await response.json()) as ChangePage
    for (const change of page.changes) {
      if (change.operation === 'upsert') alive.add(change.id)
      else alive.delete(change.id)
    }
    cursor = page.cursor
    if (!page.hasMore) return alive.size
  }
}

/** Pulls every dataset to its end by the API, as the push's consumer. Returns the living records of each. */
export async function pullEverything(api: string, consumer: AddedConsumer): Promise<Readonly<Record<Dataset, number>>> {
  const token = await fetchToken(api, consumer)
  const counts: Partial<Record<Dataset, number>> = {}
  for (const dataset of datasets) counts[dataset] = await pullDataset(api, token, dataset)
  return counts as Readonly<Record<Dataset, number>>
}
