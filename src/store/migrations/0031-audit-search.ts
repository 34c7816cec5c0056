import { sql, type Kysely } from 'kysely'

/**
 * What the log is searched by, copied from the bodies behind the log. Six more indexes in the statement of an append would slow every
 * answer; here they are filled some thousands at a time, and nobody waits for them.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create table audit.search_row (
      leaf_index  bigint primary key,
      recorded_at timestamptz not null,
      event_type  text not null,
      actor       text not null,
      outcome     text not null,
      object      text,
      purpose     text,
      dataset     text,
      department  text
    );
    create index search_row_time on audit.search_row using brin (recorded_at);
    create index search_row_type on audit.search_row (event_type, leaf_index);
    create index search_row_actor on audit.search_row (actor, leaf_index);
    create index search_row_outcome on audit.search_row (outcome, leaf_index);
    create index search_row_object on audit.search_row (object, leaf_index);
    create index search_row_purpose on audit.search_row (purpose, leaf_index);
    create index search_row_dataset on audit.search_row (dataset, leaf_index);
    create index search_row_department on audit.search_row (department, leaf_index);

    grant select on audit.search_row to gridbridge_app;
    grant select, insert on audit.search_row to gridbridge_sequencer;
    grant usage on schema gridbridge to gridbridge_sequencer;
    grant select (code, department) on gridbridge.feed to gridbridge_sequencer;
  `.execute(database)
}
