import packageJson from '../package.json' with { type: 'json' }
import type { Config } from './config.ts'
import { AppError } from './errors.ts'
import { loadDatasets, type Dataset } from './feeds/datasets.ts'
import { loadJurisdiction, type Jurisdiction } from './feeds/jurisdiction.ts'
import { loadKeyEncryptionKey } from './security/key-encryption-key.ts'
import { openKeyRing, type KeyRing } from './security/key-ring.ts'
import { readDataKeys } from './store/data-keys.ts'
import { openDatabase, type Database } from './store/database.ts'
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
  readonly keys: KeyRing
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

const keyEncryptionKeyOf = (config: Config): Buffer =>
  loadKeyEncryptionKey(config.keyEncryptionKey, config.keyEncryptionKeyFile, config.databaseUrl === null)

/** Brings the database to this version. With the embedded server this happens at every start. Returns what was applied. */
async function migrateInstallation(config: Config, serverUrl: string | null): Promise<readonly string[]> {
  const url = config.ownerDatabaseUrl ?? config.databaseUrl ?? serverUrl
  if (url === null) throw new AppError('CONFIG_INVALID', 'set OWNER_DATABASE_URL or DATABASE_URL')
  const datasets = [...loadDatasets().keys()]
  return migrate({ url, keyEncryptionKey: keyEncryptionKeyOf(config), suite: config.cryptoSuite, datasets })
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

/** Opens the installation. Throws DATABASE_OUTDATED when a city's database was not migrated yet, KEY_UNAVAILABLE, CONFIG_INVALID. */
export async function openInstallation(config: Config, processName: string, connections = 8): Promise<Installation> {
  const datasets = loadDatasets()
  const jurisdiction = loadJurisdiction(config.jurisdiction)
  const server = await openServer(config)
  let database: Database | null = null
  const close = async (): Promise<void> => {
    await database?.close()
    await server?.stop()
  }
  try {
    if (server !== null) await migrateInstallation(config, server.url)
    const databaseUrl = config.databaseUrl ?? server?.url ?? ''
    const mostUnsignedSeconds = config.auditUnsignedSeconds
    database = openDatabase({ url: databaseUrl, processName, connections, mostUnsignedSeconds })
    const keys = openKeyRing(keyEncryptionKeyOf(config), await readDataKeys(database.query))
    return { config, databaseUrl, database, datasets, jurisdiction, keys, close }
  } catch (error) {
    // An idle connection that is left open keeps the process alive for ten seconds after its refusal.
    await close()
    throw error
  }
}
