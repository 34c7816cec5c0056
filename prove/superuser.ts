import pg from 'pg'
import type { Query } from '../src/store/database.ts'

/** Statements on one client, in its transaction. */
export const queryOf =
  (client: pg.Client): Query =>
  async <Row>(text: string, values: readonly unknown[] = []) =>
    (await client.query(text, [...values])).rows as Row[]

/** Runs `work` as a superuser in one transaction that is never committed. */
export async function asSuperuser<Result>(url: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('begin')
    return await work(client)
  } finally {
    await client.end()
  }
}
