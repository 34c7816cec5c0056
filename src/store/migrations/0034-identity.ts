import { sql, type Kysely } from 'kysely'

/**
 * Who the people are, and how they come in. A person is the keyed token of a staff number; one has one account at a time and never
 * holds two of the three administrations (三员), not even one after the other: an account of an administration points at the one row
 * that `administration` can hold for its person, and the product may not change or remove that row. Whatever the program above says, an
 * account of another role exists only by a request that a second person agreed to. Accounts from before have no person and no second
 * factor, so they end.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create table gridbridge.administration (
      person         text primary key,
      administration text not null
        check (administration in ('security-administrator', 'system-administrator', 'audit-administrator')),
      held_since     timestamptz not null default clock_timestamp(),
      unique (person, administration)
    );

    update gridbridge.account set active = false;
    delete from gridbridge.access_token where kind = 'account';
    alter table gridbridge.account
      drop column secret_hash,
      add column person text,
      add column administration text generated always as
        (case when role in ('security-administrator', 'system-administrator', 'audit-administrator') then role end) stored,
      add column ended_at timestamptz,
      add constraint active_is_known check (person is not null or not active),
      add constraint one_administration foreign key (person, administration)
        references gridbridge.administration (person, administration),
      add unique (account_id, person);
    create unique index account_one_per_person on gridbridge.account (person) where active;

    create table gridbridge.account_request (
      request_id         integer generated always as identity primary key,
      kind               text not null check (kind in ('add', 'role', 'enrolment')),
      name               text not null,
      person             text not null,
      account_id         integer references gridbridge.account,
      role               text not null,
      department         text,
      consumer_id        integer references gridbridge.consumer,
      first_half         bytea,
      requested_by       integer,
      requested_person   text,
      requested_role     text,
      requested_operator text,
      requested_at       timestamptz not null default clock_timestamp(),
      state              text not null default 'waiting' check (state in ('waiting', 'approved', 'refused')),
      decided_by         integer,
      decided_person     text,
      decided_role       text,
      decided_at         timestamptz,
      reason             text,
      foreign key (requested_by, requested_person) references gridbridge.account (account_id, person) match full,
      foreign key (decided_by, decided_person) references gridbridge.account (account_id, person) match full,
      constraint somebody_requests check ((requested_by is null) <> (requested_operator is null)),
      constraint requested_by_administration
        check ((requested_by is null) = (requested_role is null)
               and requested_role in ('security-administrator', 'system-administrator')),
      constraint decided_by_administration
        check ((decided_by is null) = (decided_role is null)
               and decided_role in ('security-administrator', 'system-administrator')),
      constraint decided_when_over check ((state = 'waiting') = (decided_by is null)),
      constraint second_person_decides check (requested_by <> decided_by and requested_person <> decided_person),
      constraint other_administration_decides check (requested_role <> decided_role),
      constraint nobody_for_himself check (requested_person <> person and decided_person <> person),
      constraint refusal_has_reason check (state <> 'refused' or reason is not null),
      constraint half_of_a_code check ((first_half is not null) = (kind in ('add', 'enrolment'))),
      unique (request_id, person)
    );
    create unique index account_request_one_open on gridbridge.account_request (name) where state = 'waiting';

    alter table gridbridge.account
      add column request_id integer,
      add constraint granted_by_request foreign key (request_id, person)
        references gridbridge.account_request (request_id, person),
      add constraint ordinary_by_request check (administration is not null or request_id is not null or not active);

    create table gridbridge.sign_in (
      account_id      integer primary key references gridbridge.account,
      first_half      bytea,
      second_half     bytea,
      code_expires_at timestamptz,
      password        text,
      password_set_at timestamptz,
      totp            bytea,
      totp_step       bigint,
      last_at         timestamptz,
      failures        integer not null default 0,
      constraint two_factors
        check ((password is null) = (totp is null) and (password is null) = (password_set_at is null)),
      constraint whole_code
        check ((first_half is null) = (second_half is null) and (first_half is null) = (code_expires_at is null))
    );

    create table gridbridge.former_password (
      account_id integer not null references gridbridge.account,
      password   text not null,
      set_at     timestamptz not null,
      primary key (account_id, set_at)
    );

    create table gridbridge.sign_in_failure (
      subject      text primary key,
      failures     integer not null,
      last_at      timestamptz not null,
      locked_until timestamptz
    );

    alter table gridbridge.access_token
      add column seen_at timestamptz,
      add column idle_seconds integer,
      add constraint session_goes_idle
        check ((seen_at is not null) = (kind = 'account') and (idle_seconds is not null) = (kind = 'account'));
    create unique index one_session on gridbridge.access_token (account_id) where account_id is not null;

    revoke update on gridbridge.account from gridbridge_app;
    grant update (role, department, consumer_id, request_id, active, ended_at) on gridbridge.account to gridbridge_app;
    grant select, insert on gridbridge.administration to gridbridge_app;
    grant select, insert on gridbridge.account_request to gridbridge_app;
    grant update (state, account_id, decided_by, decided_person, decided_role, decided_at, reason)
      on gridbridge.account_request to gridbridge_app;
    grant select, insert, update on gridbridge.sign_in to gridbridge_app;
    grant select, insert, delete on gridbridge.former_password to gridbridge_app;
    grant select, insert, update, delete on gridbridge.sign_in_failure to gridbridge_app;
  `.execute(database)
}
