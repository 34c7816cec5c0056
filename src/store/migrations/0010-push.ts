import { sql, type Kysely } from 'kysely'

/** Batches that departments post. Their rows rest sealed in chunks until a run has read them; the receipt stays. */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create table gridbridge.push_batch (
      batch_id    bigint generated always as identity primary key,
      feed_id     integer not null references gridbridge.feed,
      batch_no    text not null,
      digest      text not null,
      rows        integer not null,
      valid       integer not null default 0,
      rejected    integer not null default 0,
      received_at timestamptz not null default clock_timestamp(),
      read_at     timestamptz,
      unique (feed_id, batch_no)
    );
    create table gridbridge.push_chunk (
      batch_id bigint not null references gridbridge.push_batch,
      place    integer not null,
      sealed   bytea not null,
      primary key (batch_id, place)
    );
    create table gridbridge.push_nonce (
      feed_id    integer not null references gridbridge.feed,
      nonce      text not null,
      expires_at timestamptz not null,
      primary key (feed_id, nonce)
    );
    grant select, insert, update on gridbridge.push_batch to gridbridge_app;
    grant select, insert, delete on gridbridge.push_chunk, gridbridge.push_nonce to gridbridge_app;
  `.execute(database)
}
