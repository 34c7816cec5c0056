import { sql, type Kysely } from 'kysely'

/**
 * A feed's whole life: numbered versions with who wrote, submitted, reviewed and approved them, the service items they serve, the
 * addresses that the security officer registered, and what departments refuse to share. That a second person approves is a rule
 * of the tables, whatever the program says: nobody signs a version twice, and no version of an account runs without its signatures,
 * its gate and a passed test. `origin` operator is the command line of the machine, which registers and activates in one go.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    alter table gridbridge.feed drop constraint feed_state_check;
    alter table gridbridge.feed
      add constraint feed_state_check check (state in
        ('draft', 'department-review', 'security-review', 'testing', 'active', 'suspended', 'retired')),
      add column origin text not null default 'operator' check (origin in ('operator', 'account')),
      add column activated_at timestamptz;

    create table gridbridge.feed_version (
      feed_id      integer not null references gridbridge.feed,
      version      integer not null check (version > 0),
      state        text not null check (state in
        ('draft', 'department-review', 'security-review', 'testing', 'active', 'suspended', 'retired')),
      origin       text not null check (origin in ('operator', 'account')),
      manifest     jsonb not null,
      legal_basis  jsonb,
      catalogue    jsonb,
      note         text not null default '',
      equal_to     integer,
      author_id    integer references gridbridge.account,
      submitted_by integer references gridbridge.account,
      reviewed_by  integer references gridbridge.account,
      approved_by  integer references gridbridge.account,
      activated_by integer references gridbridge.account,
      test_report  jsonb,
      reason       text,
      created_at   timestamptz not null default clock_timestamp(),
      primary key (feed_id, version),
      check (origin = 'operator' or author_id is not null),
      constraint second_person_reviews check
        (reviewed_by is null or (reviewed_by <> author_id and reviewed_by <> submitted_by)),
      constraint second_person_approves check
        (approved_by is null or (approved_by <> author_id and approved_by <> submitted_by and approved_by <> reviewed_by)),
      constraint signed_before_review check (origin = 'operator' or state in ('draft', 'retired') or submitted_by is not null),
      constraint reviewed_before_security check
        (origin = 'operator' or state not in ('security-review', 'testing', 'active', 'suspended') or reviewed_by is not null),
      constraint approved_before_testing check
        (origin = 'operator' or state not in ('testing', 'active', 'suspended') or approved_by is not null),
      constraint gate_before_active check
        (origin = 'operator' or state not in ('active', 'suspended') or
          (legal_basis is not null and catalogue is not null and coalesce((test_report->>'passed')::boolean, false)))
    );
    create unique index feed_version_one_open on gridbridge.feed_version (feed_id)
      where state in ('draft', 'department-review', 'security-review', 'testing');
    create unique index feed_version_one_live on gridbridge.feed_version (feed_id) where state in ('active', 'suspended');
    insert into gridbridge.feed_version (feed_id, version, state, origin, manifest)
      select feed_id, 1, state, 'operator', manifest from gridbridge.feed;

    create table gridbridge.service_item (
      code         text primary key,
      name         text not null,
      county       text not null,
      approval_no  text not null,
      valid_from   date not null,
      valid_to     date,
      published_by integer not null references gridbridge.account,
      published_at timestamptz not null default clock_timestamp(),
      check (valid_to is null or valid_to > valid_from)
    );

    create table gridbridge.endpoint (
      endpoint_id  integer generated always as identity primary key,
      department   text not null,
      scheme       text not null,
      address      text not null,
      first_port   integer not null check (first_port between 0 and 65535),
      last_port    integer not null check (last_port between first_port and 65535),
      approved_by  integer not null references gridbridge.account,
      approved_at  timestamptz not null default clock_timestamp(),
      withdrawn_at timestamptz
    );
    create index endpoint_department on gridbridge.endpoint (department) where withdrawn_at is null;

    create table gridbridge.sharing_refusal (
      department text not null,
      dataset_id smallint not null references gridbridge.dataset,
      reason     text not null,
      refused_by integer not null references gridbridge.account,
      refused_at timestamptz not null default clock_timestamp(),
      primary key (department, dataset_id)
    );

    grant select, insert, update on gridbridge.feed_version, gridbridge.service_item, gridbridge.endpoint, gridbridge.sharing_refusal
      to gridbridge_app;
    grant delete on gridbridge.sharing_refusal to gridbridge_app;
  `.execute(database)
}
