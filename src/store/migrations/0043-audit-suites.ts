import { sql, type Kysely } from 'kysely'

/**
 * Under the suite `gm` the log has a second tree over the same bodies in the same order, over SM3, with checkpoints of its own. Tiles,
 * checkpoints and cosignatures tell of which tree they are; the row of the second tree is there once it was begun. What a pruning leaves
 * behind are then the hashes of both trees, and its approval names both.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create domain audit.tree_algorithm as text check (value in ('sha256', 'sm3'));

    alter table audit.tree drop column only_one;
    alter table audit.tree add column algorithm audit.tree_algorithm primary key default 'sha256';

    alter table audit.tile add column algorithm audit.tree_algorithm not null default 'sha256';
    alter table audit.tile drop constraint tile_pkey, add primary key (tile_level, tile_index, algorithm);

    alter table audit.cosignature drop constraint cosignature_size_fkey, drop constraint cosignature_pkey;
    alter table audit.checkpoint drop constraint checkpoint_pkey;
    alter table audit.checkpoint add column algorithm audit.tree_algorithm not null default 'sha256';
    alter table audit.checkpoint add primary key (algorithm, size);
    alter table audit.cosignature add column algorithm audit.tree_algorithm not null default 'sha256';
    alter table audit.cosignature add primary key (algorithm, size, witness),
      add foreign key (algorithm, size) references audit.checkpoint (algorithm, size);

    alter table audit.state add column compact_range_sm3 bytea;
    alter table audit.pruning add column compact_range_sm3 bytea;

    create function audit.signed_size() returns bigint
      language sql stable set search_path = audit, pg_temp
      as $$
        select coalesce(min((select coalesce(max(size), 0) from checkpoint where checkpoint.algorithm = tree.algorithm)), 0) from tree
      $$;

    create or replace function audit.refusal_to_prune(asked audit.pruning) returns text
      language plpgsql stable set search_path = audit, pg_temp
      as $$
      declare
        signed_size bigint := audit.signed_size();
      begin
        if asked.approved_by is null or asked.approved_by = asked.requested_by then return 'no second person approved it'; end if;
        if asked.first_index <> (select min_index from state) then return 'the log was pruned since'; end if;
        if date_trunc('month', asked.period_until at time zone interval '8 hours') <> asked.period_until at time zone interval '8 hours'
          then return 'it does not end with a month'; end if;
        if asked.period_until > prunable_until() then return 'it is younger than 36 months'; end if;
        if exists (select from tree where algorithm = 'sm3') and asked.compact_range_sm3 is null
          then return 'it was asked for before there was a tree over SM3'; end if;
        if asked.min_index > signed_size then return 'it is not signed'; end if;
        if (select count(*) from tree_leaf join entry using (lane_id, lane_seq)
             where leaf_index < asked.min_index and recorded_at < asked.period_until) <> asked.min_index - asked.first_index
          then return 'an entry is younger than the months, or is missing'; end if;
        if lanes_digest(asked.min_index) <> asked.lanes_digest then return 'the lanes end elsewhere'; end if;
        if not exists (
          select from tree_leaf join entry using (lane_id, lane_seq) cross join lateral (select convert_from(body, 'UTF8')::jsonb as said) as told
           where leaf_index >= asked.min_index and leaf_index < signed_size and event_type = 'pruning.approved'
             and recorded_at > asked.requested_at - interval '1 minute' and actor = asked.approved_by
             and said->>'object' = 'pruning/' || asked.pruning_id
             and (said->'details'->>'minIndex')::bigint = asked.min_index
             and (said->'details'->>'until')::timestamptz = asked.period_until
             and said->'details'->>'lanes' = encode(asked.lanes_digest, 'hex')
             and said->'details'->>'range' = encode(sha256(asked.compact_range), 'hex')
             and said->'details'->>'rangeSm3' is not distinct from encode(sha256(asked.compact_range_sm3), 'hex')
             and said->'details'->>'archiveSha256' = encode(asked.archive_sha256, 'hex')
             and said->'details'->>'archiveSm3' = encode(asked.archive_sm3, 'hex'))
          then return 'its approval is not in the signed log'; end if;
        return null;
      end $$;

    create or replace function audit.prune(wanted integer, out removed bigint, out refusal text)
      language plpgsql security definer set search_path = audit, pg_temp
      as $$
      declare
        asked audit.pruning;
      begin
        perform from tree for update;
        perform from state for update;
        select * into asked from pruning where pruning_id = wanted for update;
        if not found then refusal := 'there is none'; return; end if;
        if asked.done_at is not null then removed := asked.removed; return; end if;
        refusal := refusal_to_prune(asked);
        if refusal is not null then return; end if;

        insert into lane_start select * from lane_ends_below(asked.min_index)
          on conflict (lane_id) do update set seq = excluded.seq, head = excluded.head;
        if to_regclass('audit.manifest') is not null then
          execute 'delete from audit.manifest using audit.tree_leaf
                    where manifest.lane_id = tree_leaf.lane_id and manifest.lane_seq = tree_leaf.lane_seq and leaf_index < $1' using asked.min_index;
        end if;
        delete from entry using tree_leaf
         where entry.lane_id = tree_leaf.lane_id and entry.lane_seq = tree_leaf.lane_seq and leaf_index < asked.min_index;
        get diagnostics removed = row_count;
        delete from search_row where leaf_index < asked.min_index;
        delete from tree_leaf where leaf_index < asked.min_index;
        delete from tile where tile_level = 0 and tile_index < asked.min_index / 256;
        update state set min_index = asked.min_index, compact_range = asked.compact_range, compact_range_sm3 = asked.compact_range_sm3;
        update pruning set done_at = clock_timestamp(), removed = prune.removed where pruning_id = wanted;
      end $$;

    revoke all on function audit.signed_size() from public;
    grant execute on function audit.signed_size() to gridbridge_app;
    grant insert on audit.tree to gridbridge_sequencer;
    grant insert (compact_range_sm3) on audit.pruning to gridbridge_app;
  `.execute(database)
}
