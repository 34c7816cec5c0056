import { sql, type Kysely } from 'kysely'

/**
 * The role that every connection of the running product takes. It owns nothing, changes no schema, and cannot update or
 * delete an audit entry. `record` cannot be deleted from either: what is gone is a tombstone.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    do $$ begin
      if not exists (select from pg_roles where rolname = 'gridbridge_app') then
        create role gridbridge_app nologin;
      end if;
    end $$;
    grant gridbridge_app to current_user;
    grant usage on schema gridbridge, audit to gridbridge_app;
    grant select, insert, update on all tables in schema gridbridge to gridbridge_app;
    grant delete on gridbridge.run_seen, gridbridge.access_token, gridbridge.cron_fire to gridbridge_app;
    grant select on audit.lane, audit.entry to gridbridge_app;
    grant execute on function audit.open_lane(uuid, text), audit.append(uuid, bytea, bytea, bytea) to gridbridge_app;
  `.execute(database)
}
