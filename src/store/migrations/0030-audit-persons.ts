import { sql, type Kysely } from 'kysely'

/**
 * Whom a disclosure told of. A manifest holds the sorted tokens of its persons, 16 bytes each, and its digest is in the body of its entry,
 * so it can be deleted apart from the log and not changed. One row a disclosure: 4.5 million residents a day in pages of 500 are 9,000 rows.
 *
 * The index behind it answers who saw one person. A posting is 6 bytes of the token and 8 bytes of the place in the tree, in the bucket of
 * the token's first 12 bits; 2 × 10⁵ postings at a time are 49 in each of 4,096 buckets. It may be wrong without harm: what it leads to is
 * looked up in the manifests, and a bucket whose postings do not count up is not asked at all.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create table audit.manifest (
      lane_id  uuid not null,
      lane_seq bigint not null,
      subjects bytea not null check (octet_length(subjects) > 0 and octet_length(subjects) % 16 = 0),
      primary key (lane_id, lane_seq)
    );
    -- Random bytes do not get smaller.
    alter table audit.manifest alter column subjects set storage external;

    create table audit.manifest_waiting (
      lane_id     uuid not null,
      lane_seq    bigint not null,
      persons     integer not null,
      attached_at timestamptz not null default clock_timestamp(),
      primary key (lane_id, lane_seq)
    );

    create table audit.posting_block (
      block_id bigint generated always as identity primary key,
      bucket   smallint not null check (bucket between 0 and 4095),
      level    smallint not null,
      postings bytea not null check (octet_length(postings) % 14 = 0),
      digest   bytea not null
    );
    create index posting_block_of on audit.posting_block (bucket, level);
    alter table audit.posting_block alter column postings set storage external;
    create table audit.posting_count (
      bucket   smallint primary key,
      postings bigint not null
    );

    create function audit.attach(writer_lane uuid, seq bigint, tokens bytea) returns void
      language plpgsql security definer set search_path = audit, pg_temp
      as $$
      declare parsed jsonb;
      begin
        select convert_from(body, 'UTF8')::jsonb into parsed from entry where lane_id = writer_lane and lane_seq = seq;
        if parsed->>'subjectsDigest' is distinct from encode(sha256(tokens), 'hex')
          or (parsed->>'subjectCount')::bigint is distinct from octet_length(tokens) / 16 then
          raise exception 'the entry names other persons' using errcode = 'GB004';
        end if;
        insert into manifest (lane_id, lane_seq, subjects) values (writer_lane, seq, tokens);
        insert into manifest_waiting (lane_id, lane_seq, persons) values (writer_lane, seq, octet_length(tokens) / 16);
      end $$;
    revoke all on function audit.attach(uuid, bigint, bytea) from public;
    grant execute on function audit.attach(uuid, bigint, bytea) to gridbridge_app;

    grant select on audit.manifest, audit.manifest_waiting, audit.posting_block, audit.posting_count, audit.tree, audit.tree_leaf, audit.tile to gridbridge_app;
    grant select on audit.manifest to gridbridge_sequencer;
    grant select, insert, delete on audit.manifest_waiting, audit.posting_block to gridbridge_sequencer;
    grant select, insert, update, delete on audit.posting_count to gridbridge_sequencer;

    alter table gridbridge.export_part add column subjects bytea not null default '';
    comment on column gridbridge.export_part.subjects is 'how the audit log names the persons in it';
  `.execute(database)
}
