import { sql, type Kysely } from 'kysely'

/**
 * Bulk exports. The files rest sealed until they expire. While classes are counted, what was read waits as drafts; a class of people who
 * look alike is known by a keyed digest and by the first few of its people, which is all that has to be known of it.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create table gridbridge.export (
      export_id         bigint generated always as identity primary key,
      agreement_id      integer not null references gridbridge.agreement,
      agreement_version integer not null,
      state             text not null default 'requested'
        check (state in ('requested', 'awaiting-approval', 'running', 'ready', 'expired', 'cancelled', 'refused', 'failed')),
      stage             text not null default 'count' check (stage in ('count', 'read', 'publish')),
      reason            text,
      remark            text,
      lease_epoch       integer not null default 0,
      lease_until       timestamptz,
      not_before        timestamptz,
      failures          integer not null default 0,
      persons           bigint,
      about             bigint,
      transaction_time  timestamptz,
      place_tx          xid8,
      place_seq         integer,
      cursor_tx         xid8 not null default '0',
      cursor_seq        integer not null default 0,
      read              bigint not null default 0,
      drafts            integer not null default 0,
      parts             integer not null default 0,
      records           bigint not null default 0,
      bytes             bigint not null default 0,
      named             bigint not null default 0,
      k                 integer,
      withheld          bigint not null default 0,
      smallest_class    integer,
      broken            bigint not null default 0,
      requested_at      timestamptz not null default clock_timestamp(),
      ready_at          timestamptz,
      expires_at        timestamptz,
      ended_at          timestamptz
    );
    create unique index export_one_kept on gridbridge.export (agreement_id)
      where state in ('requested', 'awaiting-approval', 'running', 'ready');
    create index export_of_agreement on gridbridge.export (agreement_id, export_id);

    create table gridbridge.export_approval (
      export_id  bigint not null references gridbridge.export,
      duty       text not null check (duty in ('data', 'security')),
      account_id integer not null references gridbridge.account,
      decision   text not null check (decision in ('approve', 'refuse')),
      reason     text,
      decided_at timestamptz not null default clock_timestamp(),
      primary key (export_id, duty),
      unique (export_id, account_id),
      check (decision = 'approve' or reason is not null)
    );

    create table gridbridge.export_draft (
      export_id bigint not null references gridbridge.export,
      number    integer not null,
      sealed    bytea not null,
      classes   bytea not null,
      primary key (export_id, number)
    );

    create table gridbridge.export_part (
      export_id bigint not null references gridbridge.export,
      number    integer not null,
      records   integer not null,
      bytes     integer not null,
      digest    text not null,
      sealed    bytea not null,
      primary key (export_id, number)
    );

    create table gridbridge.export_class (
      export_id bigint not null references gridbridge.export,
      class     bytea not null,
      records   bigint not null,
      persons   bytea[] not null,
      primary key (export_id, class)
    ) with (fillfactor = 80);

    grant select, insert, update on gridbridge.export, gridbridge.export_approval, gridbridge.export_class to gridbridge_app;
    grant select, insert on gridbridge.export_draft, gridbridge.export_part to gridbridge_app;
    grant delete on gridbridge.export_draft, gridbridge.export_part, gridbridge.export_class to gridbridge_app;
  `.execute(database)
}
