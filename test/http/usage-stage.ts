import type { FastifyInstance } from 'fastify'
import { saveAgreement } from '../../src/store/agreements.ts'
import { publishServiceItem } from '../../src/store/service-items.ts'
import { createManifest } from '../feeds/sample-manifest.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import {
  createTerms,
  registerAccount,
  registerConsumer,
  registerFeed,
  residentRows,
  storeRows,
  TEST_ITEM,
} from '../support/ledger.ts'
import { bearerOf, openDoor } from './door.ts'

export const police = 'LZ-GA-RK-001'
export const welfare = 'LZ-MZ-RK-001'

/** Two departments, three consumers, everybody who may look, and something that left. */
export interface UsageStage {
  readonly installation: TestInstallation
  readonly server: FastifyInstance
  readonly tokens: Readonly<Record<string, string>>
  readonly close: () => Promise<void>
}

export async function openUsageStage(): Promise<UsageStage> {
  const installation = await openTestInstallation('api')
  const server = await openDoor(installation)
  const tokens: Record<string, string> = {}
  const pull = (who: string, query = '') =>
    server.inject({ url: `/api/v1/datasets/resident/changes${query}`, headers: { authorization: tokens[who] ?? '' } })
  await storeRows(installation, await registerFeed(installation, police), residentRows(1, 7))
  const feed = { ...createManifest().feed, department: 'civil-affairs' }
  const civil = await registerFeed(installation, welfare, { feed })
  await storeRows(installation, civil, residentRows(11, 13))
  await storeRows(installation, civil, residentRows(13, 13, { scbz: '1' }))
  const platform = await registerConsumer(installation, 'grid-platform')
  const people = [
    platform,
    await registerConsumer(installation, 'hotline', { area: ['510504'] }),
    await registerConsumer(installation, 'idle', { dataset: 'housing', forms: {} }),
    await registerAccount(installation, 'ga-editor', 'department-editor', 'public-security'),
    await registerAccount(installation, 'mz-editor', 'department-editor', 'civil-affairs'),
    await registerAccount(installation, 'health-editor', 'department-editor', 'health'),
    await registerAccount(installation, 'system-administrator', 'consumer-engineer', null, 'grid-platform'),
    await registerAccount(installation, 'officer', 'security-administrator'),
    await registerAccount(installation, 'auditor', 'audit-administrator'),
    await registerAccount(installation, 'engineer', 'system-administrator'),
  ]
  for (const one of people) tokens[one.name] = await bearerOf(server, one)
  // Five answers of the platform under one purpose, the last of them empty, one under the next; one of the hotline without a record.
  const first = (await pull('grid-platform', '?limit=5')).json<{ cursor: string }>()
  const second = (await pull('grid-platform', `?limit=5&cursor=${first.cursor}`)).json<{ cursor: string }>()
  await pull('grid-platform', `?cursor=${second.cursor}`)
  await pull('grid-platform', '?limit=2')
  await publishServiceItem(
    installation.database.query,
    { ...TEST_ITEM, code: 'LZ-QD-002', name: '=HYPERLINK("http://x")' },
    null,
  )
  const terms = { ...createTerms(platform.consumerId), purpose: 'LZ-QD-002' }
  await saveAgreement(installation.database.query, terms)
  await pull('grid-platform', '?limit=1')
  await pull('hotline')
  const close = async (): Promise<void> => {
    await server.close()
    await installation.close()
  }
  return { installation, server, tokens, close }
}
