import { sql, type Kysely } from 'kysely'

/**
 * Use is counted in stripes, one of which a connection takes. Counted in one row, all answers under an agreement waited for each
 * other's commit: at 50 answers a second one slow write to the disk of 90 ms held up ten of them, one after another.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    alter table gridbridge.agreement_use rename to agreement_use_stripe;
    alter table gridbridge.agreement_use_stripe
      add column stripe smallint not null default 0,
      drop constraint agreement_use_pkey,
      add primary key (agreement_id, day, feed_id, stripe);
    create view gridbridge.agreement_use as
      select agreement_id, day, feed_id, sum(answers)::bigint as answers, sum(records)::bigint as records,
             sum(persons)::bigint as persons, max(last_used_at) as last_used_at
        from gridbridge.agreement_use_stripe group by agreement_id, day, feed_id;

    alter table gridbridge.agreement_answer rename to agreement_answer_stripe;
    alter table gridbridge.agreement_answer_stripe
      add column stripe smallint not null default 0,
      drop constraint agreement_answer_pkey,
      add primary key (agreement_id, day, version, stripe);
    create view gridbridge.agreement_answer as
      select agreement_id, day, version, sum(answers)::bigint as answers, max(last_used_at) as last_used_at
        from gridbridge.agreement_answer_stripe group by agreement_id, day, version;

    grant select on gridbridge.agreement_use, gridbridge.agreement_answer to gridbridge_app;
  `.execute(database)
}
