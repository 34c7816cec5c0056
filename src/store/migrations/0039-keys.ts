import { sql, type Kysely } from 'kysely'

/** A cursor rests as text; eight characters hold what names its key. */
function sealedCursor(column: string): string {
  const text = `${column} ->> 'sealed'`
  return `(case when ${text} ~ '^[A-Za-z0-9+/]{8}' then decode(left(${text}, 8), 'base64') end)`
}

/** Where sealed values rest, by table: SQL that gives the bytes of each from a row. */
const sealedValues: Readonly<Record<string, readonly string[]>> = {
  record: ['sealed'],
  rejection: ['sealed'],
  feed: ['secrets', sealedCursor('cursor'), sealedCursor('compare_cursor')],
  push_chunk: ['sealed'],
  credential: ['sealed'],
  subscription_secret: ['sealed'],
  correction: ['evidence'],
  verification_target: ['secret'],
  export_draft: ['sealed'],
  export_part: ['sealed'],
  sign_in: ['totp'],
}

/** A sealed value names its key in its third and fourth byte. */
const keyOf = (value: string): string =>
  `case when octet_length(${value}) >= 4 then get_byte(substr(${value}, 3, 2), 0) * 256 + get_byte(substr(${value}, 3, 2), 1) end`

/**
 * A process that was away for a while may still seal with a key that is retired, and nobody could ever open what it wrote. So each
 * statement that writes sealed values holds their keys until it commits, and one whose key is gone is refused.
 */
async function guardTable(database: Kysely<never>, table: string, values: readonly string[]): Promise<void> {
  const used = values.map((value) => `select ${keyOf(value)} as key_id from fresh`).join(' union ')
  await sql
    .raw(
      `create function gridbridge.hold_keys_of_${table}() returns trigger language plpgsql as $$
       declare
         used integer;
       begin
         for used in select key_id from (${used}) as named where key_id is not null order by key_id loop
           perform pg_advisory_xact_lock_shared(725039, used);
           if exists (select from gridbridge.data_key where key_id = used and retired_at is not null) then
             raise exception 'key % is retired', used using errcode = 'GB005';
           end if;
         end loop;
         return null;
       end $$;
       create trigger hold_keys_of_inserted after insert on gridbridge.${table}
         referencing new table as fresh for each statement execute function gridbridge.hold_keys_of_${table}();
       create trigger hold_keys_of_updated after update on gridbridge.${table}
         referencing new table as fresh for each statement execute function gridbridge.hold_keys_of_${table}();`,
    )
    .execute(database)
}

/**
 * Keys that rotate. A new sealing key is announced first, used once every process that holds keys has opened it, and an old one
 * is retired, its bytes destroyed, once nothing names it; its number is never given again. `kek` tells the key-encryption key that
 * wrapped it; null is one from before such keys had names.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    alter table gridbridge.data_key
      add column kek         text,
      add column active_from timestamptz default clock_timestamp(),
      add column retired_at  timestamptz,
      alter column wrapped drop not null,
      add check ((wrapped is null) = (retired_at is not null)),
      add check (retired_at is null or purpose = 'seal');
    update gridbridge.data_key set active_from = created_at;

    create table gridbridge.key_holder (
      holder  uuid primary key,
      process text not null,
      newest  smallint not null,
      sealing smallint not null,
      seen_at timestamptz not null default clock_timestamp()
    );
    grant select, insert, update, delete on gridbridge.key_holder to gridbridge_app;
    grant update (sealed) on gridbridge.push_chunk, gridbridge.export_draft, gridbridge.export_part to gridbridge_app;
  `.execute(database)
  for (const [table, values] of Object.entries(sealedValues)) await guardTable(database, table, values)
}
