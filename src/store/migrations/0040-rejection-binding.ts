import { sql, type Kysely } from 'kysely'

/**
 * A refused row is sealed to the record that it is of, by its token, so that it cannot be put in the place of another of its feed. What
 * waits from before is sealed to its feed alone and stays so until it is settled.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    alter table gridbridge.rejection add column bound_to_record boolean not null default true;
    update gridbridge.rejection set bound_to_record = false where sealed is not null;
  `.execute(database)
}
