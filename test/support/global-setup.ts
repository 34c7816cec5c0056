import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import type { TestProject } from 'vitest/node'
import { loadDatasets } from '../../src/feeds/datasets.ts'
import { migrate } from '../../src/store/migrate.ts'
import { startEmbeddedDatabase } from './embedded-database.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** A superuser's URL of the one PostgreSQL of this run. */
    readonly serverUrl: string
    /** Base64; every data key of the template database is wrapped with it. */
    readonly keyEncryptionKey: string
  }
}

export const TEMPLATE = 'gridbridge_template'
export const SERVICE_LOGIN = 'gridbridge_service'

/** The login that the product uses in a city: it may become the roles of the product, and nothing else. */
async function createTemplate(url: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query(`create database ${TEMPLATE}`)
  await client.query(`create role ${SERVICE_LOGIN} login password '${SERVICE_LOGIN}'`)
  await client.end()
}

async function grantApplicationRole(url: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query(
    `grant gridbridge_app, gridbridge_sequencer, gridbridge_signer, gridbridge_pruner, gridbridge_auditor to ${SERVICE_LOGIN}`,
  )
  await client.end()
}

/** Starts one PostgreSQL for the whole run and migrates the database that each test file gets a copy of. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const server = await startEmbeddedDatabase()
  const keyEncryptionKey = randomBytes(32)
  await createTemplate(server.url)
  const url = server.url.replace(/postgres$/, TEMPLATE)
  await migrate({ url, keyEncryptionKey, suite: 'standard', datasets: [...loadDatasets().keys()] })
  await grantApplicationRole(url)
  project.provide('serverUrl', server.url)
  project.provide('keyEncryptionKey', keyEncryptionKey.toString('base64'))
  return server.stop
}
