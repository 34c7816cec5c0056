import { sql, type Kysely } from 'kysely'

/**
 * Tombstones do not rest for ever. The application role deletes nothing from `record` but by this function: tombstones alone, old ones
 * alone, some thousands at once. What is remembered is up to where they are gone, so that nobody reads on from before and misses one, and
 * the highest version that one had: a record that comes again afterwards begins behind it, so that a consumer that remembers the old
 * version takes the new one. A subscription knows when it began: what it sends was read since.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create table gridbridge.tombstone_floor (
      dataset_id smallint primary key references gridbridge.dataset,
      tx         xid8 not null,
      seq        integer not null,
      version    integer not null,
      purged_at  timestamptz not null default clock_timestamp()
    );
    create index record_tombstone on gridbridge.record (changed_at) where masked is null;

    alter table gridbridge.subscription add column started_tx xid8 not null default '0';
    alter table gridbridge.subscription alter column started_tx set default pg_snapshot_xmin(pg_current_snapshot());

    create function gridbridge.purge_tombstones(days integer, most integer) returns table (dataset_name text, tombstones bigint)
      language plpgsql security definer set search_path = gridbridge, pg_temp
      as $$
      begin
        if days < 30 or most not between 1 and 10000 then
          raise exception 'tombstones are kept for 30 days at least' using errcode = 'GB003';
        end if;
        return query
          with old as (
            select feed_id, source_record_id from record
             where masked is null and changed_at < now() - make_interval(days => days)
               and change_tx < pg_snapshot_xmin(pg_current_snapshot())
             order by changed_at limit most for update skip locked),
          gone as (
            delete from record using old
             where record.feed_id = old.feed_id and record.source_record_id = old.source_record_id and record.masked is null
             returning record.dataset_id, record.change_tx, record.change_seq, record.version),
          counted as (
            select dataset_id, count(*) as number, max(version) as version from gone group by dataset_id),
          furthest as (
            select distinct on (dataset_id) dataset_id, change_tx, change_seq from gone
             order by dataset_id, change_tx desc, change_seq desc),
          remembered as (
            insert into tombstone_floor as kept (dataset_id, tx, seq, version)
              select dataset_id, change_tx, change_seq, counted.version from furthest join counted using (dataset_id)
            on conflict (dataset_id) do update set
              tx = case when (excluded.tx, excluded.seq) > (kept.tx, kept.seq) then excluded.tx else kept.tx end,
              seq = case when (excluded.tx, excluded.seq) > (kept.tx, kept.seq) then excluded.seq else kept.seq end,
              version = greatest(kept.version, excluded.version), purged_at = clock_timestamp())
          select dataset.name, counted.number from counted join dataset using (dataset_id) order by dataset.name;
      end $$;

    revoke all on function gridbridge.purge_tombstones(integer, integer) from public;
    grant execute on function gridbridge.purge_tombstones(integer, integer) to gridbridge_app;
    grant select on gridbridge.tombstone_floor to gridbridge_app;
  `.execute(database)
}
