import { sql, type Kysely } from 'kysely'

/**
 * Recall 数据召回: a department withdraws records, its consumers are told, and each acknowledges with a receipt. That a second person
 * approves an erasure, and a recall of more than 1,000 records, is a rule of the tables. What was erased is kept out by keyed tokens of
 * record ids. A batch that was posted keeps the transactions of its pages, by which its records are known.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create table gridbridge.recall (
      recall_id      integer generated always as identity primary key,
      feed_id        integer not null references gridbridge.feed,
      kind           text not null check (kind in ('recall', 'erasure')),
      run_id         bigint references gridbridge.run,
      batch_id       bigint references gridbridge.push_batch,
      reason         text not null,
      state          text not null check (state in ('asked', 'approved', 'refused', 'done')),
      asked_for      integer not null,
      needs_approval boolean not null,
      asked_by       integer not null references gridbridge.account,
      asked_at       timestamptz not null default clock_timestamp(),
      answered_by    integer references gridbridge.account,
      answered_at    timestamptz,
      answer_reason  text,
      removed        integer not null default 0,
      done_at        timestamptz,
      due_at         timestamptz,
      due_assumed    boolean not null default false,
      overdue_at     timestamptz,
      lifted_by      integer references gridbridge.account,
      lifted_at      timestamptz,
      check (run_id is null or batch_id is null),
      check (needs_approval or (kind = 'recall' and asked_for <= 1000)),
      check (lifted_at is null or kind = 'erasure'),
      constraint second_person_recalls check (answered_by is null or answered_by <> asked_by),
      constraint approved_before_removal check (state not in ('approved', 'done') or not needs_approval or answered_by is not null)
    );
    create index recall_feed on gridbridge.recall (feed_id, recall_id);
    create index recall_to_do on gridbridge.recall (recall_id) where state = 'approved';

    create table gridbridge.recall_record (
      recall_id        integer not null references gridbridge.recall,
      source_record_id text not null,
      is_done          boolean not null default false,
      primary key (recall_id, source_record_id)
    );

    create table gridbridge.recall_notice (
      recall_id       integer not null references gridbridge.recall,
      consumer_id     integer not null references gridbridge.consumer,
      records         integer not null,
      change_tx       xid8,
      acknowledged_at timestamptz,
      removed         integer,
      receipt         text,
      digest          text,
      primary key (recall_id, consumer_id)
    );
    create index recall_notice_consumer on gridbridge.recall_notice (consumer_id, change_tx, recall_id);

    create table gridbridge.erased_record (
      feed_id   integer not null references gridbridge.feed,
      token     bytea not null,
      recall_id integer not null references gridbridge.recall,
      lifted_at timestamptz,
      primary key (feed_id, token)
    );
    create index erased_record_recall on gridbridge.erased_record (recall_id);

    alter table gridbridge.record add column withdrawn text check (withdrawn in ('recall', 'erasure'));
    alter table gridbridge.run add column withheld bigint not null default 0;
    alter table gridbridge.push_batch
      add column first_tx xid8,
      add column last_tx xid8;

    grant select, insert, update on gridbridge.recall, gridbridge.recall_record, gridbridge.recall_notice, gridbridge.erased_record
      to gridbridge_app;
  `.execute(database)
}
