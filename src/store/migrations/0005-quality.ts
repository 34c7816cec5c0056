import { sql, type Kysely } from 'kysely'

/**
 * Quality and the life of runs: what a run was asked to do, why rows were refused and what became of them, what the source
 * changed in the shape of its rows, how often it failed, and what a person should look at.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    alter table gridbridge.run drop constraint run_state_check;
    alter table gridbridge.run
      add constraint run_state_check check (state in ('pending', 'running', 'paused', 'done', 'stopped')),
      add column kind text not null default 'sync' check (kind in ('sync', 'resubmission')),
      add column wanted text check (wanted in ('pause', 'cancel')),
      add column started_at timestamptz,
      add column removed bigint not null default 0,
      add column duplicates bigint not null default 0,
      add column rejected_by_rule jsonb not null default '{}',
      add column drift jsonb not null default '{}';
    drop index gridbridge.run_one_alive;
    create unique index run_one_alive on gridbridge.run (feed_id)
      where kind = 'sync' and state in ('pending', 'running', 'paused');
    create index run_of_feed on gridbridge.run (feed_id, run_id);

    alter table gridbridge.feed
      add column shape jsonb not null default '{}',
      add column source_failures integer not null default 0,
      add column source_fault text,
      add column source_rests_until timestamptz;

    create table gridbridge.source_calls (
      feed_id integer not null references gridbridge.feed,
      day     date not null,
      calls   integer not null,
      primary key (feed_id, day)
    );

    create table gridbridge.alert (
      alert_id        bigint generated always as identity primary key,
      kind            text not null,
      feed_id         integer not null references gridbridge.feed,
      run_id          bigint references gridbridge.run,
      details         jsonb not null default '{}',
      raised_at       timestamptz not null default clock_timestamp(),
      acknowledged_at timestamptz,
      acknowledged_by text,
      cleared_at      timestamptz
    );
    create unique index alert_one_open on gridbridge.alert (feed_id, kind, coalesce(run_id, 0))
      where acknowledged_at is null and cleared_at is null;

    alter table gridbridge.rejection
      alter column sealed drop not null,
      add column state text not null default 'open' check (state in ('open', 'resubmitted', 'superseded', 'expired')),
      add column rules text[] not null default '{}',
      add column source_token bytea,
      add column attempts integer not null default 0,
      add column settled_at timestamptz,
      add column settled_run bigint references gridbridge.run,
      add check ((state = 'open') = (sealed is not null));
    update gridbridge.rejection
       set rules = array(select distinct reason->>'rule' from jsonb_array_elements(reasons) as reason order by 1);
    create index rejection_open on gridbridge.rejection (feed_id, rejection_id) where state = 'open';
    create index rejection_open_row on gridbridge.rejection (feed_id, source_token) where state = 'open';
    create index rejection_age on gridbridge.rejection (rejected_at) where state = 'open';

    create function gridbridge.add_counts(before jsonb, more jsonb) returns jsonb
      language sql immutable
      as $$
        select coalesce(jsonb_object_agg(name, total), '{}')
          from (select key as name, sum(value::bigint) as total
                  from (select * from jsonb_each_text(before) union all select * from jsonb_each_text(more)) as both_sides
                 group by key) as sums
      $$;

    grant select, insert, update on gridbridge.source_calls, gridbridge.alert to gridbridge_app;
    grant delete on gridbridge.source_calls to gridbridge_app;
  `.execute(database)
}
