import { sql, type Kysely } from 'kysely'

/** When an account asked for previews within the last hour: clear rows are shown, so it may not page through a source with them. */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create table gridbridge.preview_use (
      account_id integer not null references gridbridge.account,
      asked_at   timestamptz not null
    );
    create index preview_use_account on gridbridge.preview_use (account_id, asked_at);
    grant select, insert, delete on gridbridge.preview_use to gridbridge_app;
  `.execute(database)
}
