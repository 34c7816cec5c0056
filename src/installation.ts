import packageJson from '../package.json' with { type: 'json' }
import type { Config } from './config.ts'
import { AppError } from './errors.ts'
import { loadDatasets, type Dataset } from './feeds/datasets.ts'
import { loadJurisdiction, type Jurisdiction } from './feeds/jurisdiction.ts'
import { makeHolder, startKeyRefresh } from './jobs/key-refresh.ts'
import { openKeyProvider, type KeyProvider } from './security/key-encryption-key.ts'
import { openLiveKeyRing, type LiveKeyRing } from './security/live-key-ring.ts'
import { readDataKeys } from './store/data-keys.ts'
import { openDatabase, type Database } from './store/database.ts'
import { forgetHolder, tellHeldKeys } from './store/key-holders.ts'
import { openEmbeddedServer, type EmbeddedServer } from './store/embedded-server.ts'
import { migrate } from './store/migrate.ts'

export const version: string = packageJson.version

/** One installation as a process sees it: its database, keys and dataset schemas. */
export interface Installation {
  readonly config: Config
  readonly databaseUrl: string
  readonly database: Database
  readonly datasets: ReadonlyMap<string, Dataset>
  readonly jurisdiction: Jurisdiction
  readonly keys: LiveKeyRing
  readonly keyProvider: KeyProvider
  readonly close: () => Promise<void>
}

/** The embedded server, or nothing when DATABASE_URL names one. Refused in production unless the operator insists. */
async function openServer(config: Config): Promise<EmbeddedServer | null> {
  if (config.databaseUrl !== null) return null
  if (!config.allowEmbedded) {
    throw new AppError(
      'CONFIG_INVALID',
      'set DATABASE_URL; the embedded PostgreSQL is for trying out, or set GRIDBRIDGE_ALLOW_EMBEDDED=1',
    )
  }
  return openEmbeddedServer(config.dataDirectory)
}

const keyProviderOf = (config: Config): KeyProvider =>
  openKeyProvider({
    command: config.keyEncryptionCommand,
    text: config.keyEncryptionKey,
    file: config.keyEncryptionKeyFile,
    create: config.databaseUrl === null,
  })

/** Brings the database to this version. With the embedded server this happens at every start. Returns what was applied. */
async function migrateInstallation(config: Config, serverUrl: string | null): Promise<readonly string[]> {
  const url = config.ownerDatabaseUrl ?? config.databaseUrl ?? serverUrl
  if (url === null) throw new AppError('CONFIG_INVALID', 'set OWNER_DATABASE_URL or DATABASE_URL')
  const datasets = [...loadDatasets().keys()]
  const [keyEncryptionKey = Buffer.alloc(0)] = await keyProviderOf(config).load()
  return migrate({ url, keyEncryptionKey, suite: config.cryptoSuite, datasets })
}

/** `gridbridge migrate`: starts the embedded server where there is no other, migrates, and leaves things as they were. */
export async function migrateOnly(config: Config): Promise<readonly string[]> {
  const server = await openServer(config)
  try {
    return await migrateInstallation(config, server?.url ?? null)
  } finally {
    await server?.stop()
  }
}

/** The keys of the installation, and how to stop following them. It is heard of before it reads them, so that no key is used meanwhile. */
async function openKeys(
  { query }: Database,
  provider: KeyProvider,
  processName: string,
): Promise<{ readonly keys: LiveKeyRing; readonly stop: () => Promise<void> }> {
  const holder = makeHolder(processName)
  await tellHeldKeys(query, holder, { newest: 0, sealing: 0 })
  try {
    const keys = await openLiveKeyRing(provider, await readDataKeys(query))
    return { keys, stop: startKeyRefresh(query, keys, holder, () => undefined) }
  } catch (error) {
    await forgetHolder(query, holder).catch(() => undefined)
    throw error
  }
}

/** Opens the installation. Throws DATABASE_OUTDATED when a city's database was not migrated yet, KEY_UNAVAILABLE, CONFIG_INVALID. */
export async function openInstallation(config: Config, processName: string, connections = 8): Promise<Installation> {
  const datasets = loadDatasets()
  const jurisdiction = loadJurisdiction(config.jurisdiction)
  const server = await openServer(config)
  let database: Database | null = null
  let stopKeys = async (): Promise<void> => undefined
  const close = async (): Promise<void> => {
    await stopKeys()
    await database?.close()
    await server?.stop()
  }
  try {
    if (server !== null) await migrateInstallation(config, server.url)
    const databaseUrl = config.databaseUrl ?? server?.url ?? ''
    const mostUnsignedSeconds = config.auditUnsignedSeconds
    const suite = config.cryptoSuite
    database = openDatabase({ url: databaseUrl, processName, connections, mostUnsignedSeconds, suite })
    const keyProvider = keyProviderOf(config)
    const { keys, stop } = await openKeys(database, keyProvider, processName)
    stopKeys = stop
    return { config, databaseUrl, database, datasets, jurisdiction, keys, keyProvider, close }
  } catch (error) {
    // An idle connection that is left open keeps the process alive for ten seconds after its refusal.
    await close()
    throw error
  }
}
