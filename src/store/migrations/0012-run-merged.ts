import { sql, type Kysely } from 'kysely'

/**
 * How many records of a run were linked to a person. The merge follows the change feed, so a run keeps the transactions of its
 * pages, by which its records are known, and the place up to which they are counted: a merge that begins anew counts none twice.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    alter table gridbridge.run
      add column first_tx xid8,
      add column last_tx xid8,
      add column merged bigint not null default 0,
      add column merged_tx xid8 not null default '0',
      add column merged_seq integer not null default 0
  `.execute(database)
}
