import { sql, type Kysely } from 'kysely'

/**
 * Old months leave the audit log, and what stays can still be verified. One function alone removes entries, one role alone may call it, and
 * it judges by the database's own clock: nothing that is younger than 36 whole months goes, whoever asks
 * (网络数据安全管理条例 Art. 12: three years). What it leaves behind are the hashes of what is gone, each lane's end, every tile above the leaves
 * and every checkpoint.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create table audit.pruning (
      pruning_id     integer generated always as identity primary key,
      period_from    timestamptz not null,
      period_until   timestamptz not null,
      first_index    bigint not null,
      min_index      bigint not null,
      compact_range  bytea not null,
      lanes_digest   bytea not null,
      archive_sha256 bytea not null,
      archive_sm3    bytea not null,
      requested_by   text not null,
      requested_at   timestamptz not null default clock_timestamp(),
      approved_by    text,
      approved_at    timestamptz,
      removed        bigint,
      done_at        timestamptz,
      check (min_index > first_index and min_index % 256 = 0),
      check (approved_by <> requested_by)
    );
    create table audit.state (
      only_one      boolean primary key default true check (only_one),
      min_index     bigint not null default 0,
      compact_range bytea not null default ''
    );
    insert into audit.state default values;
    create table audit.lane_start (
      lane_id uuid primary key,
      seq     bigint not null,
      head    bytea not null
    );

    create function audit.prunable_until() returns timestamptz
      language sql stable set search_path = audit, pg_temp
      as $$
        select (date_trunc('month', clock_timestamp() at time zone interval '8 hours') - interval '36 months') at time zone interval '8 hours'
      $$;

    create function audit.lane_ends_below(below bigint) returns table (lane_id uuid, seq bigint, head bytea)
      language sql stable set search_path = audit, pg_temp
      as $$
        select distinct on (ends.lane_id) ends.lane_id, ends.seq, ends.head
          from (select lane_start.lane_id, lane_start.seq, lane_start.head from lane_start
                union all
                select entry.lane_id, entry.lane_seq, entry.leaf
                  from tree_leaf join entry on entry.lane_id = tree_leaf.lane_id and entry.lane_seq = tree_leaf.lane_seq
                 where leaf_index < below) as ends
         order by ends.lane_id, ends.seq desc
      $$;

    create function audit.lanes_digest(below bigint) returns bytea
      language sql stable set search_path = audit, pg_temp
      as $$
        select sha256(convert_to(coalesce(string_agg(format(E'%s %s %s\\n', lane_id, seq, encode(head, 'hex')), ''
                                                     order by lane_id::text collate "C"), ''), 'UTF8'))
          from lane_ends_below(below)
      $$;

    create function audit.refusal_to_prune(asked audit.pruning) returns text
      language plpgsql stable set search_path = audit, pg_temp
      as $$
      declare
        signed_size bigint := (select coalesce(max(size), 0) from checkpoint);
      begin
        if asked.approved_by is null or asked.approved_by = asked.requested_by then return 'no second person approved it'; end if;
        if asked.first_index <> (select min_index from state) then return 'the log was pruned since'; end if;
        if date_trunc('month', asked.period_until at time zone interval '8 hours') <> asked.period_until at time zone interval '8 hours'
          then return 'it does not end with a month'; end if;
        if asked.period_until > prunable_until() then return 'it is younger than 36 months'; end if;
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
             and said->'details'->>'archiveSha256' = encode(asked.archive_sha256, 'hex')
             and said->'details'->>'archiveSm3' = encode(asked.archive_sm3, 'hex'))
          then return 'its approval is not in the signed log'; end if;
        return null;
      end $$;

    create function audit.prune(wanted integer, out removed bigint, out refusal text)
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
        delete from tree_leaf where leaf_index < asked.min_index;
        delete from tile where tile_level = 0 and tile_index < asked.min_index / 256;
        update state set min_index = asked.min_index, compact_range = asked.compact_range;
        update pruning set done_at = clock_timestamp(), removed = prune.removed where pruning_id = wanted;
      end $$;

    create function audit.refuse_time() returns trigger
      language plpgsql set search_path = audit, pg_temp
      as $$
      begin
        if (select rolsuper from pg_roles where rolname = session_user) then return new; end if;
        raise exception 'an entry is dated by the clock of the database' using errcode = 'GB003';
      end $$;
    create trigger entry_time before insert on audit.entry for each row
      when (new.recorded_at not between clock_timestamp() - interval '10 minutes' and clock_timestamp() + interval '10 minutes')
      execute function audit.refuse_time();

    revoke all on function audit.prunable_until(), audit.lane_ends_below(bigint), audit.lanes_digest(bigint),
      audit.refusal_to_prune(audit.pruning), audit.prune(integer), audit.refuse_time() from public;

    do $$ begin
      if not exists (select from pg_roles where rolname = 'gridbridge_pruner') then
        create role gridbridge_pruner nologin;
      end if;
      if not exists (select from pg_roles where rolname = 'gridbridge_auditor') then
        create role gridbridge_auditor nologin;
      end if;
    end $$;
    grant gridbridge_pruner, gridbridge_auditor to current_user;
    grant usage on schema audit to gridbridge_pruner, gridbridge_auditor;
    grant execute on function audit.prune(integer) to gridbridge_pruner;
    grant select on all tables in schema audit to gridbridge_auditor;
    grant select on audit.pruning, audit.state, audit.lane_start to gridbridge_app;
    grant insert (period_from, period_until, first_index, min_index, compact_range, lanes_digest, archive_sha256, archive_sm3, requested_by),
          update (approved_by, approved_at) on audit.pruning to gridbridge_app;
    grant execute on function audit.prunable_until(), audit.lane_ends_below(bigint), audit.lanes_digest(bigint) to gridbridge_app;
  `.execute(database)
}
