import type { AddedConsumer } from '../src/commands.ts'
import { createApiClient, type ApiClient } from '../tools/api-client/client.ts'
import { datasets, type Dataset } from './city/options.ts'

/** A consumer as the grid platform would write it: every page of every dataset. */
async function pullDataset(api: ApiClient, dataset: Dataset): Promise<number> {
  const alive = new Set<string>()
  let cursor = ''
  for (;;) {
    const params = { path: { dataset }, query: { limit: 1000, cursor } }
    const page = await api.get('/api/v1/datasets/{dataset}/changes', { params })
    for (const change of page.changes) {
      if (change.operation === 'upsert') alive.add(change.id)
      else alive.delete(change.id)
    }
    cursor = page.cursor
    if (!page.hasMore) return alive.size
  }
}

/** Pulls every dataset to its end by the API, as the push's consumer. Returns the living records of each. */
export async function pullEverything(
  baseUrl: string,
  { consumer, clientSecret }: AddedConsumer,
): Promise<Readonly<Record<Dataset, number>>> {
  const api = createApiClient({ baseUrl, client: consumer, secret: clientSecret })
  const counts: Partial<Record<Dataset, number>> = {}
  for (const dataset of datasets) counts[dataset] = await pullDataset(api, dataset)
  return counts as Readonly<Record<Dataset, number>>
}
