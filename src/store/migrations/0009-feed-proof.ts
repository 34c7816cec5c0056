import { sql, type Kysely } from 'kysely'

/** Go-live certificates of feeds: counts, times and codes, no values of rows. */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create table gridbridge.feed_proof (
      proof_id bigint generated always as identity primary key,
      feed_id  integer not null references gridbridge.feed,
      taken_at timestamptz not null,
      ok       boolean not null,
      verdict  jsonb not null
    );
    create index feed_proof_feed on gridbridge.feed_proof (feed_id, taken_at desc);
    grant select, insert on gridbridge.feed_proof to gridbridge_app;
  `.execute(database)
}
