import { sql, type Kysely } from 'kysely'

/**
 * Subscriptions with an endpoint, secrets and a state of their own, as many to a consumer as it wants; deliveries that a
 * receiver refused for good; and replays of a chosen range.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    alter table gridbridge.subscription
      add column consumer_id     integer references gridbridge.consumer,
      add column dataset_id      smallint references gridbridge.dataset,
      add column endpoint        text,
      add column state           text not null default 'active' check (state in ('active', 'paused', 'broken', 'stopped')),
      add column state_reason    text,
      add column state_since     timestamptz not null default clock_timestamp(),
      add column demands_receipt boolean not null default false,
      add column start_tx        xid8 not null default '0',
      add column start_seq       integer not null default 0,
      add column fault           text,
      add column failing_since   timestamptz,
      add column dead_in_row     integer not null default 0,
      add column acknowledged_at timestamptz,
      add column created_at      timestamptz not null default clock_timestamp();
    update gridbridge.subscription
       set consumer_id = consumer.consumer_id, dataset_id = agreement.dataset_id, endpoint = consumer.webhook_url
      from gridbridge.agreement join gridbridge.consumer using (consumer_id)
     where agreement.agreement_id = subscription.agreement_id;
    alter table gridbridge.subscription
      alter column consumer_id set not null,
      alter column dataset_id set not null,
      alter column endpoint set not null,
      drop column agreement_id;
    create index subscription_consumer on gridbridge.subscription (consumer_id);
    create index subscription_dataset on gridbridge.subscription (dataset_id);

    create table gridbridge.subscription_secret (
      secret_id       bigint generated always as identity primary key,
      subscription_id integer not null references gridbridge.subscription,
      kind            text not null check (kind in ('hmac-sha256', 'ed25519', 'hmac-sm3', 'sm2')),
      sealed          bytea not null,
      public_key      text,
      created_at      timestamptz not null default clock_timestamp(),
      retires_at      timestamptz
    );
    create index subscription_secret_of on gridbridge.subscription_secret (subscription_id);
    insert into gridbridge.subscription_secret (subscription_id, kind, sealed)
      select subscription_id, 'hmac-sha256', webhook_secret
        from gridbridge.subscription join gridbridge.consumer using (consumer_id) where webhook_secret is not null;
    alter table gridbridge.consumer drop column webhook_url, drop column webhook_secret;

    create table gridbridge.replay (
      replay_id       bigint generated always as identity primary key,
      subscription_id integer not null references gridbridge.subscription,
      delivery_id     bigint references gridbridge.delivery,
      from_tx         xid8 not null,
      from_seq        integer not null,
      to_tx           xid8 not null,
      to_seq          integer not null,
      from_time       timestamptz,
      to_time         timestamptz,
      place_tx        xid8 not null,
      place_seq       integer not null,
      records         integer not null,
      acknowledged    integer not null,
      sent            integer not null default 0,
      state           text not null default 'active' check (state in ('active', 'done', 'cancelled')),
      not_before      timestamptz,
      requested_by    text not null,
      reason          text not null,
      requested_at    timestamptz not null default clock_timestamp(),
      ended_at        timestamptz
    );
    create index replay_of on gridbridge.replay (subscription_id, replay_id);
    create index replay_active on gridbridge.replay (subscription_id, replay_id) where state = 'active';

    alter table gridbridge.delivery
      add column replay_id bigint references gridbridge.replay,
      add column refusals  integer not null default 0,
      add column status    integer,
      drop constraint delivery_state_check,
      add constraint delivery_state_check
        check (state in ('open', 'acknowledged', 'superseded', 'dead', 'requeued', 'cancelled'));
    drop index gridbridge.delivery_one_open;
    create unique index delivery_one_open on gridbridge.delivery (subscription_id, coalesce(replay_id, 0)) where state = 'open';
    create index delivery_dead on gridbridge.delivery (subscription_id, delivery_id) where state in ('dead', 'requeued');

    grant select, insert, update, delete on gridbridge.subscription_secret to gridbridge_app;
    grant select, insert, update on gridbridge.replay to gridbridge_app;
  `.execute(database)
}
