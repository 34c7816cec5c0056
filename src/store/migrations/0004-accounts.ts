import { sql, type Kysely } from 'kysely'

/**
 * Accounts of the people who use the management API. They and the consumers get their tokens at one endpoint, so a name belongs
 * to one of the two: a name that is taken skips the insert, whoever inserts.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create table gridbridge.client_name (
      name text primary key
    );
    insert into gridbridge.client_name (name) select name from gridbridge.consumer;

    create table gridbridge.account (
      account_id  integer generated always as identity primary key,
      name        text not null unique,
      role        text not null,
      department  text,
      secret_hash bytea not null,
      active      boolean not null default true,
      created_at  timestamptz not null default clock_timestamp(),
      check ((department is not null) = (role like 'department-%'))
    );

    create function gridbridge.claim_client_name() returns trigger
      language plpgsql set search_path = gridbridge, pg_temp
      as $$
      begin
        insert into client_name (name) values (new.name) on conflict do nothing;
        if found then return new; end if;
        return null;
      end $$;
    create trigger consumer_name before insert on gridbridge.consumer
      for each row execute function gridbridge.claim_client_name();
    create trigger account_name before insert on gridbridge.account
      for each row execute function gridbridge.claim_client_name();

    alter table gridbridge.access_token
      alter column consumer_id drop not null,
      add column account_id integer references gridbridge.account,
      add column kind text not null default 'consumer',
      add check (kind = case when account_id is null then 'consumer' else 'account' end),
      add check ((consumer_id is null) <> (account_id is null));

    grant select, insert, update on gridbridge.account, gridbridge.client_name to gridbridge_app;
  `.execute(database)
}
