import { sql, type Kysely } from 'kysely'

/** Runs that read an incremental feed from its beginning and compare. Their place is kept apart from the feed's own cursor. */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    alter table gridbridge.run add column compare boolean not null default false;
    alter table gridbridge.feed add column compared_at timestamptz, add column compare_cursor jsonb;
  `.execute(database)
}
