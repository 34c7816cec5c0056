import { sql, type Kysely } from 'kysely'

/**
 * The ledger: feeds, runs, records, rejections, consumers, agreements and deliveries. The newest version of a record is its
 * change: (change_tx, change_seq) is its place in commit order, so push and pull read one table and there is no fan-out.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create schema gridbridge;

    create table gridbridge.data_key (
      key_id     smallint primary key,
      purpose    text not null,
      suite      text not null,
      wrapped    bytea not null,
      created_at timestamptz not null default clock_timestamp()
    );

    create table gridbridge.dataset (
      dataset_id smallint generated always as identity primary key,
      name       text not null unique
    );

    create table gridbridge.feed (
      feed_id    integer generated always as identity primary key,
      code       text not null unique,
      department text not null,
      dataset_id smallint not null references gridbridge.dataset,
      manifest   jsonb not null,
      secrets    bytea not null,
      state      text not null default 'active' check (state in ('active', 'suspended', 'retired')),
      cursor     jsonb,
      created_at timestamptz not null default clock_timestamp()
    );

    create table gridbridge.run (
      run_id       bigint generated always as identity primary key,
      feed_id      integer not null references gridbridge.feed,
      state        text not null default 'pending' check (state in ('pending', 'running', 'done', 'stopped')),
      reason       text,
      lease_epoch  integer not null default 0,
      lease_until  timestamptz,
      not_before   timestamptz,
      failures     integer not null default 0,
      pages        bigint not null default 0,
      pulled       bigint not null default 0,
      valid        bigint not null default 0,
      rejected     bigint not null default 0,
      inserted     bigint not null default 0,
      updated      bigint not null default 0,
      deleted      bigint not null default 0,
      unchanged    bigint not null default 0,
      source_total bigint,
      warnings     jsonb not null default '{}',
      created_at   timestamptz not null default clock_timestamp(),
      finished_at  timestamptz
    );
    create unique index run_one_alive on gridbridge.run (feed_id) where state in ('pending', 'running');

    create table gridbridge.feed_slot (
      feed_id integer not null references gridbridge.feed,
      due_at  timestamptz not null,
      run_id  bigint not null references gridbridge.run,
      primary key (feed_id, due_at)
    );

    create table gridbridge.cron_fire (
      key      text primary key,
      fired_at timestamptz not null default clock_timestamp()
    );

    create table gridbridge.record (
      feed_id          integer not null,
      source_record_id text not null,
      dataset_id       smallint not null,
      version          integer not null,
      change_seq       integer not null,
      change_tx        xid8 not null,
      grid_code        text,
      subject          bytea,
      digest           bytea,
      masked           jsonb,
      sealed           bytea,
      primary key (feed_id, source_record_id)
    ) with (fillfactor = 90, toast_tuple_target = 4080);
    create index record_change on gridbridge.record (dataset_id, change_tx, change_seq);

    create table gridbridge.run_seen (
      run_id           bigint not null references gridbridge.run on delete cascade,
      source_record_id text not null,
      primary key (run_id, source_record_id)
    );

    create table gridbridge.rejection (
      rejection_id bigint generated always as identity primary key,
      run_id       bigint not null references gridbridge.run,
      feed_id      integer not null references gridbridge.feed,
      page         bigint not null,
      row_in_page  integer not null,
      reasons      jsonb not null,
      sealed       bytea not null,
      rejected_at  timestamptz not null default clock_timestamp()
    );
    create index rejection_run on gridbridge.rejection (run_id);

    create table gridbridge.consumer (
      consumer_id integer generated always as identity primary key,
      name        text not null unique,
      secret_hash bytea not null,
      webhook_url text,
      webhook_secret bytea,
      created_at  timestamptz not null default clock_timestamp()
    );

    create table gridbridge.agreement (
      agreement_id integer generated always as identity primary key,
      consumer_id  integer not null references gridbridge.consumer,
      dataset_id   smallint not null references gridbridge.dataset,
      version      integer not null default 1,
      forms        jsonb not null,
      purpose      text not null,
      valid_from   timestamptz not null default clock_timestamp(),
      valid_to     timestamptz not null,
      unique (consumer_id, dataset_id)
    );

    create table gridbridge.subscription (
      subscription_id integer generated always as identity primary key,
      agreement_id    integer not null unique references gridbridge.agreement,
      cursor_tx       xid8 not null default '0',
      cursor_seq      integer not null default 0,
      lease_epoch     integer not null default 0,
      lease_until     timestamptz,
      not_before      timestamptz,
      failures        integer not null default 0
    );

    create table gridbridge.delivery (
      delivery_id     bigint generated always as identity primary key,
      subscription_id integer not null references gridbridge.subscription,
      webhook_id      text not null,
      from_tx         xid8 not null,
      from_seq        integer not null,
      to_tx           xid8 not null,
      to_seq          integer not null,
      records         integer not null,
      attempts        integer not null default 0,
      state           text not null default 'open' check (state in ('open', 'acknowledged')),
      reason          text,
      created_at      timestamptz not null default clock_timestamp(),
      acknowledged_at timestamptz
    );
    create unique index delivery_one_open on gridbridge.delivery (subscription_id) where state = 'open';

    create table gridbridge.access_token (
      token_hash  bytea primary key,
      consumer_id integer not null references gridbridge.consumer,
      expires_at  timestamptz not null
    );
  `.execute(database)
}
