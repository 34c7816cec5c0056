import { sql, type Kysely } from 'kysely'

/**
 * Agreements say which area and how much, and every version of one is kept. A record knows the areas that it lay in before, so that a
 * consumer of one of them is told that it left; whether it is of a child, where the strictest form holds; and when it last changed.
 * Records that rest already count as those of children until their source brings them again: deny by default.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    alter table gridbridge.record rename column grid_code to area_code;
    alter table gridbridge.record
      add column past_areas text[] not null default '{}',
      add column is_minor boolean not null default true,
      add column changed_at timestamptz not null default now();
    create index record_subject on gridbridge.record (dataset_id, subject) where subject is not null;

    alter table gridbridge.consumer
      add column stopped_at timestamptz,
      add column stop_reason text;

    alter table gridbridge.agreement
      add column area text[] not null default '{5105}',
      add column method text not null default 'copy' check (method in ('copy', 'query')),
      add column records_per_day bigint check (records_per_day > 0),
      add column page_size integer not null default 1000 check (page_size between 1 and 1000),
      add column granted_by text not null default 'operator',
      add column granted_at timestamptz not null default clock_timestamp(),
      add column suspended_at timestamptz,
      add column suspend_reason text;
    alter table gridbridge.agreement alter column area drop default;

    create table gridbridge.agreement_version (
      agreement_id integer not null references gridbridge.agreement,
      version      integer not null,
      terms        jsonb not null,
      granted_by   text not null,
      granted_at   timestamptz not null default clock_timestamp(),
      primary key (agreement_id, version)
    );

    alter table gridbridge.delivery drop constraint delivery_state_check;
    alter table gridbridge.delivery add constraint delivery_state_check check (state in ('open', 'acknowledged', 'superseded'));

    create table gridbridge.agreement_use (
      agreement_id integer not null references gridbridge.agreement,
      day          date not null,
      feed_id      integer not null,
      answers      bigint not null default 0,
      records      bigint not null default 0,
      persons      bigint not null default 0,
      last_used_at timestamptz not null default clock_timestamp(),
      primary key (agreement_id, day, feed_id)
    );

    alter table gridbridge.service_item
      alter column published_by drop not null,
      add column withdrawn_at timestamptz,
      add column withdraw_reason text;

    grant select, insert, update on gridbridge.agreement_version, gridbridge.agreement_use to gridbridge_app;
  `.execute(database)
}
