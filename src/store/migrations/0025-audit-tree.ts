import { sql, type Kysely } from 'kysely'

/**
 * The Merkle tree over the lanes, in tiles. An entry waits in `pending` from the moment in which it is committed until it has its place in
 * the tree, so none is passed by whatever the order of commits. A role of its own builds the tree and another
 * publishes what was signed of it: the application can do neither, and they can do nothing else.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create table audit.pending (
      lane_id  uuid not null,
      lane_seq bigint not null,
      primary key (lane_id, lane_seq)
    );
    insert into audit.pending select lane_id, lane_seq from audit.entry;

    create table audit.tree (
      only_one boolean primary key default true check (only_one),
      size     bigint not null default 0
    );
    insert into audit.tree default values;

    create table audit.tree_leaf (
      leaf_index bigint primary key,
      lane_id    uuid not null,
      lane_seq   bigint not null,
      unique (lane_id, lane_seq)
    );
    create table audit.lane_end (
      lane_id uuid primary key,
      seq     bigint not null,
      head    bytea not null
    );
    create table audit.tile (
      tile_level smallint not null,
      tile_index bigint not null,
      hashes     bytea not null check (octet_length(hashes) between 32 and 8192 and octet_length(hashes) % 32 = 0),
      primary key (tile_level, tile_index)
    );

    create table audit.checkpoint (
      size      bigint primary key,
      note      text not null check (length(note) <= 4000),
      signed_at timestamptz not null default clock_timestamp()
    );

    create or replace function audit.append(writer_lane uuid, expected_head bytea, new_body bytea, new_leaf bytea) returns bigint
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
        insert into audit.pending (lane_id, lane_seq) values (writer_lane, seq);
        return seq;
      end $$;

    do $$ begin
      if not exists (select from pg_roles where rolname = 'gridbridge_sequencer') then
        create role gridbridge_sequencer nologin;
      end if;
      if not exists (select from pg_roles where rolname = 'gridbridge_signer') then
        create role gridbridge_signer nologin;
      end if;
    end $$;
    grant gridbridge_sequencer, gridbridge_signer to current_user;
    grant usage on schema audit to gridbridge_sequencer, gridbridge_signer;
    grant select on audit.entry, audit.lane to gridbridge_sequencer;
    grant select, delete on audit.pending to gridbridge_sequencer;
    grant select, insert on audit.tree_leaf to gridbridge_sequencer;
    grant select, insert, update on audit.tile, audit.lane_end to gridbridge_sequencer;
    grant select, update on audit.tree to gridbridge_sequencer;
    grant select on audit.tree, audit.tile to gridbridge_signer;
    grant select, insert on audit.checkpoint to gridbridge_signer;
    grant select on audit.checkpoint to gridbridge_app;
  `.execute(database)
}
