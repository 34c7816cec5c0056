import { sql, type Kysely } from 'kysely'

/**
 * What becomes of the data that a retired feed has taken in, who is told of it, and how far the removal has come: it works page by
 * page in transactions of its own, in the order of the record ids.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    alter table gridbridge.feed
      add column disposition text check (disposition in ('keep', 'tombstone', 'erase')),
      add column disposed_to text not null default '',
      add column disposed jsonb not null default '{}',
      add column disposed_at timestamptz,
      add check (disposition is null or state = 'retired');
    create index feed_to_dispose on gridbridge.feed (feed_id) where disposition is not null and disposed_at is null;
  `.execute(database)
}
