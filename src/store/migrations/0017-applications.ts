import { sql, type Kysely } from 'kysely'

/**
 * Applications for the use of data (使用申请): what a consumer asks for, who answered and why, by when, and what became of it. That two
 * people answer, neither of them the applicant, is a rule of the tables, whatever the program says. Accounts may belong to a
 * consumer, and alerts may be about something else than a feed.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    alter table gridbridge.account drop constraint account_check;
    alter table gridbridge.account
      add column consumer_id integer references gridbridge.consumer,
      add constraint account_of_department
        check ((department is not null) = (role like 'department-%' or role = 'data-owner')),
      add constraint account_of_consumer check ((consumer_id is not null) = (role = 'consumer-engineer'));

    alter table gridbridge.alert
      alter column feed_id drop not null,
      add column object text,
      add column department text,
      add check ((feed_id is null) <> (object is null)),
      add check (object is not null or department is null);
    drop index gridbridge.alert_one_open;
    create unique index alert_one_open on gridbridge.alert (feed_id, kind, coalesce(run_id, 0))
      where acknowledged_at is null and cleared_at is null and feed_id is not null;
    create unique index alert_one_open_object on gridbridge.alert (object, kind)
      where acknowledged_at is null and cleared_at is null and object is not null;

    create table gridbridge.application (
      application_id   bigint generated always as identity primary key,
      consumer_id      integer not null references gridbridge.consumer,
      dataset_id       smallint not null references gridbridge.dataset,
      state            text not null check (state in
        ('draft', 'submitted', 'need-more', 'approved', 'refused', 'withdrawn', 'provisioned', 'active',
         'superseded', 'expired', 'revoked', 'disposed')),
      request          jsonb not null,
      valid_from       date not null,
      valid_to         date not null check (valid_to > valid_from),
      applicant_id     integer not null references gridbridge.account,
      department       text not null,
      is_conditional   boolean not null,
      submitted_at     timestamptz,
      due_at           timestamptz,
      is_due_assumed   boolean not null default false,
      asked_by         integer references gridbridge.account,
      asked_at         timestamptz,
      asked_for        text,
      extended_by      integer references gridbridge.account,
      extended_at      timestamptz,
      extend_reason    text,
      owner_id         integer references gridbridge.account,
      owner_verdict    text check (owner_verdict in ('approve', 'refuse')),
      owner_reason     text,
      owner_at         timestamptz,
      officer_id       integer references gridbridge.account,
      officer_verdict  text check (officer_verdict in ('approve', 'refuse')),
      officer_reason   text,
      officer_at       timestamptz,
      is_clear_allowed boolean not null default false,
      agreement_id     integer references gridbridge.agreement,
      agreement_version integer,
      provisioned_by   integer references gridbridge.account,
      provisioned_at   timestamptz,
      confirmed_at     timestamptz,
      ended_by         text,
      ended_at         timestamptz,
      end_reason       text,
      disposal         jsonb,
      disposed_by      integer references gridbridge.account,
      disposed_at      timestamptz,
      created_at       timestamptz not null default clock_timestamp(),
      constraint asked_once check ((asked_at is null) = (asked_for is null)),
      constraint owner_gives_reason check ((owner_verdict is null) = (owner_id is null) and (owner_verdict is null) = (owner_reason is null)),
      constraint officer_gives_reason
        check ((officer_verdict is null) = (officer_id is null) and (officer_verdict is null) = (officer_reason is null)),
      constraint second_person_owns check (owner_id <> applicant_id),
      constraint second_person_secures check (officer_id <> applicant_id and officer_id <> owner_id),
      constraint second_person_extends check (extended_by <> applicant_id),
      constraint submitted_before_answer check (state in ('draft', 'withdrawn') or (submitted_at is not null and due_at is not null)),
      constraint two_approve check
        (state not in ('approved', 'provisioned', 'active', 'superseded', 'expired', 'revoked', 'disposed')
          or coalesce(owner_verdict = 'approve' and officer_verdict = 'approve', false)),
      constraint one_refuses check
        (state <> 'refused' or coalesce(owner_verdict = 'refuse', false) or coalesce(officer_verdict = 'refuse', false)),
      constraint receipt_of_disposal check ((state = 'disposed') = (disposal is not null))
    );
    create unique index application_one_open on gridbridge.application (consumer_id, dataset_id)
      where state in ('draft', 'submitted', 'need-more');
    create unique index application_one_live on gridbridge.application (agreement_id)
      where state in ('approved', 'provisioned', 'active');
    create index application_due on gridbridge.application (due_at) where state in ('submitted', 'approved');
    create index application_term on gridbridge.application (valid_to) where state in ('approved', 'provisioned', 'active');

    grant select, insert, update on gridbridge.application to gridbridge_app;
  `.execute(database)
}
