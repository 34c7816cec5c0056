import { sql, type Kysely } from 'kysely'

/** Whether a run's last page is saved, so that one whose worker died before its end is ended and not read again. */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`alter table gridbridge.run add column is_read boolean not null default false`.execute(database)
}
