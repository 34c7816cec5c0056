import { randomBytes } from 'node:crypto'
import { globSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Kysely, PostgresDialect } from 'kysely'
import { Client, Pool } from 'pg'
import { expect, inject, test } from 'vitest'

const folder = fileURLToPath(new URL('../../src/store/migrations', import.meta.url))
const OWN = '0018-subscriptions.ts'

interface Migration {
  readonly up: (database: Kysely<never>) => Promise<void>
}

/** A fresh database with every table as it was before subscriptions had endpoints of their own. */
async function openOldDatabase(): Promise<{ readonly pool: Pool; readonly migrate: (file: string) => Promise<void> }> {
  const name = `gridbridge_${randomBytes(6).toString('hex')}`
  const owner = new Client({ connectionString: inject('serverUrl') })
  await owner.connect()
  await owner.query(`create database ${name}`)
  await owner.end()
  const url = new URL(inject('serverUrl'))
  url.pathname = `/${name}`
  const pool = new Pool({ connectionString: url.href, max: 2 })
  const database = new Kysely<never>({ dialect: new PostgresDialect({ pool }) })
  const migrate = async (file: string): Promise<void> => {
    const migration = (await import(path.join(folder, file))) as Migration
    await migration.up(database)
  }
  for (const file of globSync('*.ts', { cwd: folder }).toSorted()) if (file < OWN) await migrate(file)
  return { pool, migrate }
}

test('what consumers had becomes subscriptions with the same endpoint, secret, cursor and open delivery', async () => {
  const { pool, migrate } = await openOldDatabase()
  await pool.query(`
    insert into gridbridge.dataset (name) values ('resident'), ('grid');
    insert into gridbridge.consumer (name, webhook_url, webhook_secret)
      values ('pushed', 'https://platform.example/webhook', '\\x0203'), ('puller', null, null);
    insert into gridbridge.agreement (consumer_id, dataset_id, forms, area, purpose, valid_to)
      select consumer_id, dataset_id, '{}', '{5105}', 'LZ-QD-001', now() + interval '1 day' from gridbridge.consumer, gridbridge.dataset;
    insert into gridbridge.subscription (agreement_id, cursor_tx, cursor_seq)
      select agreement_id, '77', 5 from gridbridge.agreement join gridbridge.consumer using (consumer_id) where name = 'pushed';
    insert into gridbridge.delivery (subscription_id, webhook_id, from_tx, from_seq, to_tx, to_seq, records)
      select subscription_id, 'msg_1', '77', 5, '78', 1, 3 from gridbridge.subscription;
  `)
  await migrate(OWN)
  const subscriptions = await pool.query(`
    select consumer.name as consumer, dataset.name as dataset, endpoint, subscription.state, cursor_tx::text as tx, cursor_seq as seq,
           start_tx::text as start, kind, encode(sealed, 'hex') as sealed, delivery.state as delivery
      from gridbridge.subscription join gridbridge.consumer using (consumer_id) join gridbridge.dataset using (dataset_id)
           join gridbridge.subscription_secret using (subscription_id)
           join gridbridge.delivery on delivery.subscription_id = subscription.subscription_id
     order by dataset`)
  await pool.end()
  const kept = { consumer: 'pushed', endpoint: 'https://platform.example/webhook', state: 'active', tx: '77', seq: 5 }
  const secret = { start: '0', kind: 'hmac-sha256', sealed: '0203', delivery: 'open' }
  expect(subscriptions.rows).toEqual([
    { ...kept, ...secret, dataset: 'grid' },
    { ...kept, ...secret, dataset: 'resident' },
  ])
})
