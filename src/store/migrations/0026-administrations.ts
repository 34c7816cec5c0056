import { sql, type Kysely } from 'kysely'

/** The three administrations of a system of level 3 (三员) under their own names. */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    update gridbridge.account set role = case role
      when 'security-officer' then 'security-administrator'
      when 'platform-engineer' then 'system-administrator'
      when 'auditor' then 'audit-administrator'
      else role end;
  `.execute(database)
}
