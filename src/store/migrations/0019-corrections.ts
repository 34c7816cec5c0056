import { sql, type Kysely } from 'kysely'

/**
 * The way back: what consumers say of records. A correction is answered by the department of the record's feed within its working
 * days; a verification only tells it what was seen at the place. Both are read in commit order, by the transaction of their last
 * change and their number. A notice is what a consumer is told beside data; it never changes.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create table gridbridge.correction (
      correction_id    integer generated always as identity primary key,
      consumer_id      integer not null references gridbridge.consumer,
      agreement        text not null,
      dataset_id       smallint not null references gridbridge.dataset,
      disputed_id      text not null,
      seen_version     integer not null check (seen_version > 0),
      feed_id          integer not null references gridbridge.feed,
      source_record_id text not null,
      raised_version   integer not null,
      kind             text not null check (kind in ('wrong-value', 'missing', 'duplicate', 'not-this-person', 'gone')),
      field            text,
      evidence         bytea,
      evidence_at      timestamptz not null,
      reference        text not null,
      content          bytea not null,
      state            text not null default 'open' check (state in
        ('open', 'accepted', 'source-fixed', 'rejected', 'cannot-find', 'synced', 'closed')),
      reason           text,
      fixed_after      integer,
      raised_at        timestamptz not null default clock_timestamp(),
      due_at           timestamptz not null,
      due_assumed      boolean not null,
      accepted_at      timestamptz,
      answered_at      timestamptz,
      answered_by      integer references gridbridge.account,
      synced_at        timestamptz,
      synced_version   integer,
      closed_at        timestamptz,
      overdue_at       timestamptz,
      change_tx        xid8 not null default pg_current_xact_id(),
      unique (consumer_id, reference),
      check (state not in ('rejected', 'cannot-find') or reason is not null),
      check (state <> 'source-fixed' or fixed_after is not null)
    );
    create index correction_consumer on gridbridge.correction (consumer_id, change_tx, correction_id);
    create index correction_feed on gridbridge.correction (feed_id, correction_id);
    create index correction_fixed on gridbridge.correction (feed_id) where state = 'source-fixed';
    create index correction_waiting on gridbridge.correction (due_at) where state in ('open', 'accepted');

    create table gridbridge.verification (
      verification_id  integer generated always as identity primary key,
      consumer_id      integer not null references gridbridge.consumer,
      agreement        text not null,
      feed_id          integer not null references gridbridge.feed,
      source_record_id text not null,
      verified_id      text not null,
      version          integer not null check (version > 0),
      result           text not null check (result in ('CONFIRMED', 'CHANGED', 'NOT_FOUND', 'MOVED_OUT')),
      evidence_at      timestamptz not null,
      reference        text not null,
      content          bytea not null,
      implausible      boolean not null,
      received_at      timestamptz not null default clock_timestamp(),
      change_tx        xid8 not null default pg_current_xact_id(),
      unique (consumer_id, reference, feed_id, source_record_id)
    );
    create index verification_feed on gridbridge.verification (feed_id, change_tx, verification_id);
    create index verification_burst on gridbridge.verification (consumer_id, evidence_at, received_at);

    create table gridbridge.verification_target (
      feed_id     integer primary key references gridbridge.feed,
      url         text not null,
      secret      bytea not null,
      cursor_tx   xid8 not null default '0',
      cursor_seq  integer not null default 0,
      open_tx     xid8,
      open_seq    integer,
      lease_epoch integer not null default 0,
      lease_until timestamptz,
      not_before  timestamptz,
      failures    integer not null default 0,
      fault       text
    );

    create table gridbridge.notice (
      notice_id   integer generated always as identity primary key,
      consumer_id integer not null references gridbridge.consumer,
      type        text not null,
      data        jsonb not null,
      noted_at    timestamptz not null default clock_timestamp(),
      change_tx   xid8 not null default pg_current_xact_id()
    );
    create index notice_consumer on gridbridge.notice (consumer_id, change_tx, notice_id);

    grant select, insert, update on gridbridge.correction, gridbridge.verification_target to gridbridge_app;
    grant select, insert on gridbridge.verification, gridbridge.notice to gridbridge_app;
    grant delete on gridbridge.verification_target to gridbridge_app;
  `.execute(database)
}
