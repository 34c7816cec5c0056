import { sql, type Kysely } from 'kysely'

/**
 * What waits for its place in the tree is what a lane has beyond its end in the tree, so no table repeats it: an append writes a row less.
 * A lane knows that its connection is gone by the advisory lock that the connection holds as long as it lives, whatever process number or
 * machine comes after it; the sequencer closes such a lane, and nothing can be appended to it any more. `tree_growth` tells how old the
 * placed entries are that no checkpoint covers, one row a batch. Cosignatures of witnesses lie beside the checkpoints.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    drop table audit.pending;
    alter table audit.lane add column closed_at timestamptz;
    create index lane_open on audit.lane (lane_id) where closed_at is null;

    create table audit.tree_growth (
      end_index bigint primary key,
      oldest    timestamptz not null
    );
    create index tree_growth_oldest on audit.tree_growth (oldest);

    create table audit.cosignature (
      size        bigint not null references audit.checkpoint,
      witness     text not null check (length(witness) <= 200),
      line        text not null check (length(line) <= 1000),
      cosigned_at timestamptz not null default clock_timestamp(),
      primary key (size, witness)
    );

    create or replace function audit.open_lane(writer_lane uuid, process_name text) returns void
      language plpgsql security definer set search_path = audit, pg_temp
      as $$
      begin
        perform pg_advisory_lock_shared(hashtextextended(writer_lane::text, 0));
        insert into audit.lane (lane_id, process) values (writer_lane, process_name);
      end $$;

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
          where lane_id = writer_lane and head = expected_head and closed_at is null
          returning last_seq into seq;
        if seq is null or seq <> (parsed->>'laneSeq')::bigint or parsed->>'laneId' <> writer_lane::text then
          raise exception 'another writer is in this audit lane' using errcode = 'GB001';
        end if;
        insert into audit.entry (entry_id, recorded_at, lane_id, lane_seq, event_type, actor, outcome, feed, dataset, count, body, leaf)
        values ((parsed->>'entryId')::uuid, (parsed->>'recordedAt')::timestamptz, writer_lane, seq, parsed->>'type', parsed->>'actor',
                parsed->>'outcome', parsed->>'feed', parsed->>'dataset', (parsed->>'count')::bigint, new_body, new_leaf);
        return seq;
      end $$;

    create function audit.close_lanes(most integer) returns table (closed_lane uuid, closed_seq bigint, closed_head bytea)
      language sql security definer set search_path = audit, pg_temp
      as $$
        with ended as (
          select lane.lane_id from audit.lane join audit.lane_end using (lane_id)
           where closed_at is null and last_seq = seq
             and hashtextextended(lane.lane_id::text, 0) not in (
               select classid::bigint << 32 | objid::bigint from pg_locks
                where locktype = 'advisory' and objsubid = 1
                  and database = (select oid from pg_database where datname = current_database()))
           limit most)
        update audit.lane set closed_at = clock_timestamp() from ended
          where lane.lane_id = ended.lane_id and lane.closed_at is null
          returning lane.lane_id, lane.last_seq, lane.head
      $$;
    revoke all on function audit.close_lanes(integer) from public;

    grant execute on function audit.close_lanes(integer), audit.open_lane(uuid, text), audit.append(uuid, bytea, bytea, bytea)
      to gridbridge_sequencer;
    grant select, insert, delete on audit.tree_growth to gridbridge_sequencer;
    grant select on audit.checkpoint to gridbridge_sequencer;
    grant select, insert on audit.cosignature to gridbridge_signer;
    grant select on audit.lane_end, audit.tree_growth, audit.cosignature to gridbridge_app;
  `.execute(database)
}
