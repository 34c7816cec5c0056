import { runMigrations } from 'bullmq'
import { Kysely, PostgresDialect } from 'kysely'
import { Migrator, type Migration } from 'kysely/migration'
import pg from 'pg'
import { AppError } from '../errors.ts'
import { createWrappedKey, keyPurposes, type WrappedKey } from '../security/key-ring.ts'
import type { Suite } from '../security/suites.ts'
import * as ledger from './migrations/0001-ledger.ts'
import * as audit from './migrations/0002-audit.ts'
import * as applicationRole from './migrations/0003-application-role.ts'
import * as accounts from './migrations/0004-accounts.ts'
import * as quality from './migrations/0005-quality.ts'
import * as persons from './migrations/0006-persons.ts'
import * as compare from './migrations/0007-compare.ts'
import * as feedLife from './migrations/0008-feed-life.ts'
import * as feedProof from './migrations/0009-feed-proof.ts'
import * as push from './migrations/0010-push.ts'
import * as runRead from './migrations/0011-run-read.ts'
import * as runMerged from './migrations/0012-run-merged.ts'
import * as feedDisposition from './migrations/0013-feed-disposition.ts'
import * as previewUse from './migrations/0014-preview-use.ts'
import * as sharing from './migrations/0015-sharing.ts'
import * as clients from './migrations/0016-clients.ts'
import * as applications from './migrations/0017-applications.ts'
import * as subscriptions from './migrations/0018-subscriptions.ts'
import * as corrections from './migrations/0019-corrections.ts'
import * as recalls from './migrations/0020-recalls.ts'
import * as exports from './migrations/0021-exports.ts'
import * as usage from './migrations/0022-usage.ts'
import * as pull from './migrations/0023-pull.ts'
import * as useStripes from './migrations/0024-use-stripes.ts'
import * as auditTree from './migrations/0025-audit-tree.ts'
import * as administrations from './migrations/0026-administrations.ts'
import * as auditSigning from './migrations/0027-audit-signing.ts'
import * as auditPersons from './migrations/0030-audit-persons.ts'
import * as auditSearch from './migrations/0031-audit-search.ts'
import * as freezes from './migrations/0037-freezes.ts'
import * as reveals from './migrations/0038-reveals.ts'
import * as oversight from './migrations/0032-oversight.ts'
import * as pruning from './migrations/0033-pruning.ts'
import * as keyRotation from './migrations/0039-keys.ts'
import * as rejectionBinding from './migrations/0040-rejection-binding.ts'
import * as entryProof from './migrations/0029-entry-proof.ts'
import * as identity from './migrations/0034-identity.ts'
import * as rowScope from './migrations/0035-row-scope.ts'
import * as auditSuites from './migrations/0043-audit-suites.ts'

const migrations: Readonly<Record<string, Migration>> = {
  '0001-ledger': ledger,
  '0002-audit': audit,
  '0003-application-role': applicationRole,
  '0004-accounts': accounts,
  '0005-quality': quality,
  '0006-persons': persons,
  '0007-compare': compare,
  '0008-feed-life': feedLife,
  '0009-feed-proof': feedProof,
  '0010-push': push,
  '0011-run-read': runRead,
  '0012-run-merged': runMerged,
  '0013-feed-disposition': feedDisposition,
  '0014-preview-use': previewUse,
  '0015-sharing': sharing,
  '0016-clients': clients,
  '0017-applications': applications,
  '0018-subscriptions': subscriptions,
  '0019-corrections': corrections,
  '0020-recalls': recalls,
  '0021-exports': exports,
  '0022-usage': usage,
  '0023-pull': pull,
  '0024-use-stripes': useStripes,
  '0025-audit-tree': auditTree,
  '0026-administrations': administrations,
  '0027-audit-signing': auditSigning,
  '0030-audit-persons': auditPersons,
  '0031-audit-search': auditSearch,
  '0037-freezes': freezes,
  '0038-reveals': reveals,
  '0032-oversight': oversight,
  '0033-pruning': pruning,
  '0039-keys': keyRotation,
  '0040-rejection-binding': rejectionBinding,
  '0029-entry-proof': entryProof,
  '0034-identity': identity,
  '0035-row-scope': rowScope,
  '0043-audit-suites': auditSuites,
}

async function migrateLedger(pool: pg.Pool): Promise<readonly string[]> {
  const database = new Kysely<never>({ dialect: new PostgresDialect({ pool }) })
  const migrator = new Migrator({
    db: database,
    provider: { getMigrations: () => Promise.resolve({ ...migrations }) },
    migrationTableSchema: 'public',
  })
  const { error, results } = await migrator.migrateToLatest()
  if (error !== undefined) throw new AppError('DATABASE_OUTDATED', 'a migration failed', { cause: error })
  return (results ?? []).map((result) => result.migrationName)
}

/**
 * BullMQ's own tables. They are created here as the owner, because its backend never migrates by itself; the application
 * role then needs no right to create anything.
 */
async function migrateQueue(pool: pg.Pool): Promise<void> {
  const client = await pool.connect()
  try {
    await runMigrations(client, 'bullmq')
    await client.query(`
      grant usage on schema bullmq to gridbridge_app;
      grant select, insert, update, delete on all tables in schema bullmq to gridbridge_app;
      grant usage, select, update on all sequences in schema bullmq to gridbridge_app;
      grant execute on all functions in schema bullmq to gridbridge_app;
    `)
  } finally {
    client.release()
  }
}

async function createMissingKeys(pool: pg.Pool, keyEncryptionKey: Uint8Array, suite: Suite['name']): Promise<void> {
  const { rows } = await pool.query<{ key_id: number; purpose: string }>(
    'select key_id, purpose from gridbridge.data_key',
  )
  const present = new Set(rows.map((row) => row.purpose))
  const firstId = Math.max(0, ...rows.map((row) => row.key_id)) + 1
  const missing = keyPurposes.filter((purpose) => !present.has(purpose))
  const keys: readonly WrappedKey[] = missing.map((purpose, index) =>
    createWrappedKey(keyEncryptionKey, firstId + index, purpose, suite),
  )
  for (const key of keys) {
    await pool.query(
      `insert into gridbridge.data_key (key_id, purpose, suite, kek, wrapped) values ($1, $2, $3, $4, $5)
         on conflict (key_id) do nothing`,
      [key.id, key.purpose, key.suite, key.kek, key.wrapped],
    )
  }
}

async function insertDatasets(pool: pg.Pool, names: readonly string[]): Promise<void> {
  await pool.query('insert into gridbridge.dataset (name) select unnest($1::text[]) on conflict (name) do nothing', [
    names,
  ])
}

export interface MigrateOptions {
  /** A login that owns the tables. */
  readonly url: string
  readonly keyEncryptionKey: Uint8Array
  readonly suite: Suite['name']
  readonly datasets: readonly string[]
}

/** Brings the database to this version: our tables, BullMQ's, the data keys, the datasets. Returns the migrations applied. */
export async function migrate(options: MigrateOptions): Promise<readonly string[]> {
  const pool = new pg.Pool({ connectionString: options.url, max: 2, connectionTimeoutMillis: 5000 })
  // One that breaks between two statements tells its next statement; without listeners it would end the process.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  const lock = await connectOrExplain(pool)
  try {
    // Two processes that start together take turns; kysely's own lock covers only its part.
    await lock.query('select pg_advisory_lock(725001)')
    const applied = await migrateLedger(pool)
    await migrateQueue(pool)
    await createMissingKeys(pool, options.keyEncryptionKey, options.suite)
    await insertDatasets(pool, options.datasets)
    return applied
  } finally {
    lock.release(true)
    await pool.end().catch(() => undefined)
  }
}

async function connectOrExplain(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    return await pool.connect()
  } catch (error) {
    throw new AppError('DATABASE_UNAVAILABLE', 'the owner login could not connect', { cause: error })
  }
}
