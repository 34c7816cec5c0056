import { sql, type Kysely } from 'kysely'

/**
 * How often each version of an agreement was used on each day. An answer holds records of several feeds, or of none, so the rows of
 * agreement_use do not add up to answers, and only the version knows under which purpose it was.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create table gridbridge.agreement_answer (
      agreement_id integer not null references gridbridge.agreement,
      day          date not null,
      version      integer not null,
      answers      bigint not null default 0,
      last_used_at timestamptz not null default clock_timestamp(),
      primary key (agreement_id, day, version)
    );
    grant select, insert, update on gridbridge.agreement_answer to gridbridge_app;
  `.execute(database)
}
