import { sql, type Kysely } from 'kysely'

/**
 * Oversight: up to when each rule has judged, which thresholds the installation set, what was found, each once; reports that were made;
 * and how the product last found its own log. The application may read the tree, so that it can check it; it can change none of it.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create table gridbridge.oversight_rule (
      rule         text primary key,
      judged_until timestamptz not null
    );
    create table gridbridge.oversight_threshold (
      rule   text not null,
      name   text not null,
      value  integer not null,
      set_by text not null,
      set_at timestamptz not null default clock_timestamp(),
      primary key (rule, name)
    );
    create table gridbridge.oversight_finding (
      rule         text not null,
      about        text not null,
      window_until timestamptz not null,
      figures      jsonb not null,
      found_at     timestamptz not null default clock_timestamp(),
      primary key (rule, about, window_until)
    );

    create table gridbridge.audit_report (
      report_id   bigint generated always as identity primary key,
      kind        text not null check (kind in ('weekly', 'provision', 'yearly')),
      period_from date not null,
      period_to   date not null,
      made_by     text not null,
      made_at     timestamptz not null default clock_timestamp(),
      digest      bytea not null,
      content     text not null,
      check (period_from <= period_to)
    );
    create unique index audit_report_scheduled on gridbridge.audit_report (kind, period_from, period_to)
      where made_by = 'system:scheduler';

    create table gridbridge.log_check (
      scope      text primary key check (scope in ('new', 'whole')),
      began_at   timestamptz not null,
      ended_at   timestamptz not null,
      state      text not null check (state in ('whole', 'tampered', 'undecided')),
      entries    bigint not null,
      upto       bigint not null,
      resumes_at bigint not null default 0,
      fault      text
    );

    grant select, insert, update on gridbridge.oversight_rule, gridbridge.oversight_threshold, gridbridge.log_check to gridbridge_app;
    grant select, insert on gridbridge.oversight_finding, gridbridge.audit_report to gridbridge_app;
    grant select on audit.tree, audit.tree_leaf, audit.tile, audit.lane_end to gridbridge_app;
  `.execute(database)
}
