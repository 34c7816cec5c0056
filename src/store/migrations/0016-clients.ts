import { sql, type Kysely } from 'kysely'

/**
 * What consumers prove themselves with, at most two living ones of a kind, so that each can be replaced while the other works; and
 * what is good for one use only, of departments and of consumers, in one table. A living credential is never used up by a retired
 * one: a fingerprint comes once.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create table gridbridge.credential (
      credential_id integer generated always as identity primary key,
      consumer_id   integer not null references gridbridge.consumer,
      kind          text not null check (kind in ('secret', 'signing', 'key', 'certificate')),
      place         smallint not null check (place in (1, 2)),
      fingerprint   text not null,
      secret_hash   bytea,
      sealed        bytea,
      digest        text check (digest in ('sm3', 'sha256')),
      public_key    jsonb,
      created_at    timestamptz not null default clock_timestamp(),
      created_by    text not null,
      last_used_at  timestamptz,
      retired_at    timestamptz,
      unique (consumer_id, fingerprint),
      check ((secret_hash is not null) = (kind = 'secret' and retired_at is null)),
      check ((sealed is not null) = (kind = 'signing' and retired_at is null)),
      check ((digest is not null) = (kind = 'signing')),
      check ((public_key is not null) = (kind = 'key'))
    );
    create unique index credential_two_live on gridbridge.credential (consumer_id, kind, place) where retired_at is null;

    insert into gridbridge.credential (consumer_id, kind, place, fingerprint, secret_hash, created_at, created_by)
      select consumer_id, 'secret', 1, left(encode(secret_hash, 'hex'), 16), secret_hash, created_at, 'system:migrate'
        from gridbridge.consumer;
    alter table gridbridge.consumer
      drop column secret_hash,
      add column title text,
      add column credit_code text;

    alter table gridbridge.access_token
      add column credential_id integer references gridbridge.credential,
      add column certificate text;
    update gridbridge.access_token set credential_id = credential.credential_id
      from gridbridge.credential where credential.consumer_id = access_token.consumer_id;
    alter table gridbridge.access_token add check ((credential_id is null) = (kind = 'account'));

    create table gridbridge.used_nonce (
      signer     text not null,
      nonce      text not null,
      expires_at timestamptz not null,
      primary key (signer, nonce)
    );
    create index used_nonce_expiry on gridbridge.used_nonce (expires_at);
    insert into gridbridge.used_nonce (signer, nonce, expires_at)
      select 'feed:' || feed_id, nonce, expires_at from gridbridge.push_nonce;
    drop table gridbridge.push_nonce;

    grant select, insert, update on gridbridge.credential to gridbridge_app;
    grant select, insert, update, delete on gridbridge.used_nonce to gridbridge_app;
  `.execute(database)
}
