import { sql, type Kysely } from 'kysely'

/**
 * One person, several departments. The merged persons are records like all others, of feed 0, which has no row in `feed`: it is
 * never registered, scheduled or run. Beside them: which record belongs to which person, how far the change feeds were merged,
 * where departments contradict each other, and what reviewers decided about links. None of these tables holds a value.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    alter table gridbridge.record add column source_updated_at timestamptz;

    create table gridbridge.person_member (
      feed_id          integer not null references gridbridge.feed,
      source_record_id text not null,
      subject          bytea not null,
      person           bytea not null,
      primary key (feed_id, source_record_id)
    );
    create index person_member_person on gridbridge.person_member (person);

    create table gridbridge.person_cursor (
      dataset_id smallint primary key references gridbridge.dataset,
      rules      text not null,
      cursor_tx  xid8 not null,
      cursor_seq integer not null
    );

    create table gridbridge.person_conflict (
      person      bytea not null,
      field       text not null,
      rule        text not null,
      decided_by  text not null,
      departments text[] not null,
      sides       jsonb not null,
      found_at    timestamptz not null default clock_timestamp(),
      primary key (person, field)
    );
    create index person_conflict_department on gridbridge.person_conflict using gin (departments);

    create table gridbridge.link_decision (
      decision_id      bigint generated always as identity primary key,
      feed_id          integer not null references gridbridge.feed,
      source_record_id text not null,
      subject          bytea not null,
      decision         text not null check (decision in ('part', 'join')),
      reason           text not null,
      decided_by       text not null,
      decided_at       timestamptz not null default clock_timestamp(),
      merged_at        timestamptz
    );
    create index link_decision_record on gridbridge.link_decision (feed_id, source_record_id, decision_id);
    create index link_decision_open on gridbridge.link_decision (decision_id) where merged_at is null;

    grant select, insert, update on gridbridge.person_member, gridbridge.person_cursor, gridbridge.person_conflict,
      gridbridge.link_decision to gridbridge_app;
    grant delete on gridbridge.person_member, gridbridge.person_conflict to gridbridge_app;
  `.execute(database)
}
