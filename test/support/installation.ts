import { randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { Client, Pool } from 'pg'
import { inject } from 'vitest'
import { loadDatasets, type Dataset } from '../../src/feeds/datasets.ts'
import { openKeyRing, type KeyRing } from '../../src/security/key-ring.ts'
import { readDataKeys } from '../../src/store/data-keys.ts'
import { openDatabase, type Database, type Query } from '../../src/store/database.ts'
import { SERVICE_LOGIN, TEMPLATE } from './global-setup.ts'

/** An installation of its own for one test file: a fresh database with the keys and schemas of the product. */
export interface TestInstallation {
  /** As the product connects: a login that may only become the application role. */
  readonly databaseUrl: string
  /** As a superuser. */
  readonly ownerUrl: string
  readonly database: Database
  readonly keys: KeyRing
  readonly datasets: ReadonlyMap<string, Dataset>
  /** One statement as a superuser, for looking behind the product's back and for tampering. */
  readonly asOwner: Query
  readonly close: () => Promise<void>
}

const BEING_COPIED = '55006'

/** Another worker may be copying the template in the same moment, which PostgreSQL refuses. */
async function createCopy(name: string): Promise<void> {
  const client = new Client({ connectionString: inject('serverUrl') })
  await client.connect()
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        await client.query(`create database ${name} template ${TEMPLATE}`)
        return
      } catch (error) {
        if ((error as { code?: string }).code !== BEING_COPIED || attempt > 100) throw error
        await wait(50)
      }
    }
  } finally {
    await client.end()
  }
}

function urlOf(name: string, login: string | null): string {
  const url = new URL(inject('serverUrl'))
  url.pathname = `/${name}`
  if (login !== null) {
    url.username = login
    url.password = login
  }
  return url.href
}

const keyEncryptionKey = (): Buffer => Buffer.from(inject('keyEncryptionKey'), 'base64')

export async function openTestInstallation(processName = 'test', connections = 8): Promise<TestInstallation> {
  const name = `gridbridge_${randomBytes(6).toString('hex')}`
  await createCopy(name)
  const ownerUrl = urlOf(name, null)
  const databaseUrl = urlOf(name, SERVICE_LOGIN)
  const database = openDatabase({ url: databaseUrl, processName, connections })
  const owner = new Pool({ connectionString: ownerUrl, max: 3 })
  owner.on('error', () => undefined)
  owner.on('connect', (client) => client.on('error', () => undefined))
  return {
    databaseUrl,
    ownerUrl,
    database,
    keys: openKeyRing(keyEncryptionKey(), await readDataKeys(database.query)),
    datasets: loadDatasets(),
    asOwner: async <Row>(text: string, values: readonly unknown[] = []) => {
      const { rows } = await owner.query(text, [...values])
      return rows as Row[]
    },
    close: async () => {
      await Promise.all([database.close(), owner.end()])
    },
  }
}
