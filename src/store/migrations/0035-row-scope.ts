import { sql, type Kysely } from 'kysely'

/**
 * A second net under what the queries themselves say: what an account of a department reads goes out under the role
 * `gridbridge_reader`, and row-level security lets that role see the rows of the one department that the transaction is for, whatever
 * the query forgot. The product's own work sees every row by a policy that is simply true, which the planner drops. The tables are not
 * forced upon their owner: the product never runs as the owner, and pg_dump refuses tables that are.
 */
const policies = {
  record: 'feed_id in (select feed_id from gridbridge.feed)',
  rejection: 'feed_id in (select feed_id from gridbridge.feed)',
  run: 'feed_id in (select feed_id from gridbridge.feed)',
  correction: 'feed_id in (select feed_id from gridbridge.feed)',
  verification: 'feed_id in (select feed_id from gridbridge.feed)',
  recall: 'feed_id in (select feed_id from gridbridge.feed)',
  recall_notice: 'recall_id in (select recall_id from gridbridge.recall)',
  alert: `feed_id in (select feed_id from gridbridge.feed) or department = current_setting('gridbridge.department', true)`,
  person_conflict: `departments @> array[current_setting('gridbridge.department', true)]`,
  feed: `department = current_setting('gridbridge.department', true)`,
} as const

export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    do $$ begin
      if not exists (select from pg_roles where rolname = 'gridbridge_reader') then
        create role gridbridge_reader nologin;
      end if;
    end $$;
    grant gridbridge_reader to gridbridge_app;
    grant usage on schema gridbridge to gridbridge_reader;
    grant select on gridbridge.dataset, gridbridge.consumer to gridbridge_reader;
  `.execute(database)
  for (const [table, own] of Object.entries(policies))
    await sql`
      alter table ${sql.raw(`gridbridge.${table}`)} enable row level security;
      create policy product on ${sql.raw(`gridbridge.${table}`)} to gridbridge_app using (true) with check (true);
      create policy own_department on ${sql.raw(`gridbridge.${table}`)} for select to gridbridge_reader using (${sql.raw(own)});
      grant select on ${sql.raw(`gridbridge.${table}`)} to gridbridge_reader;
    `.execute(database)
  // It says in the index of the audit log which department a feed is of, and may read nothing else of a feed.
  await sql`create policy sequencer on gridbridge.feed for select to gridbridge_sequencer using (true)`.execute(
    database,
  )
}
