import { sql, type Kysely } from 'kysely'

/**
 * Freezes and incidents. What tells of persons asks `assert_not_frozen` in the transaction of its audit entry and holds a shared lock until
 * it commits; a freeze takes the same lock alone. So every disclosure is either committed before the freeze or sees it, in every process.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    -- Who may do what is decided by the API; that nobody else can is not left to it alone.
    create function gridbridge.assert_role(doer integer, allowed text[], of_department text) returns void
      language plpgsql stable security definer set search_path = gridbridge, pg_temp
      as $$
      begin
        if not exists (select from account where account_id = doer and active and role = any (allowed)
                         and (department is null or department = of_department)) then
          raise exception 'the account may not do this' using errcode = 'GB403';
        end if;
      end $$;

    create table gridbridge.incident (
      incident_id bigint generated always as identity primary key,
      title       text not null,
      level       text not null check (level in ('ordinary', 'larger', 'major', 'extreme')),
      state       text not null default 'open' check (state in ('open', 'contained', 'closed')),
      scope       text check (scope in ('feed', 'consumer', 'dataset', 'department', 'everything')),
      name        text,
      opened_by   integer not null references gridbridge.account,
      opened_at   timestamptz not null default clock_timestamp(),
      known_at    timestamptz not null,
      began_at    timestamptz not null,
      ended_at    timestamptz check (ended_at >= began_at),
      categories  text,
      causes      text,
      harm        text,
      measures    text,
      advice      text,
      contact     text,
      persons     bigint check (persons >= 0),
      records     bigint check (records >= 0),
      closed_by   integer references gridbridge.account,
      closed_at   timestamptz,
      review      text,
      check (closed_by <> opened_by),
      check (num_nonnulls(closed_by, closed_at, review) = case state when 'closed' then 3 else 0 end),
      check (state <> 'closed' or num_nulls(ended_at, categories, causes, harm, measures, advice, contact, persons, records) = 0)
    );
    create index incident_not_closed on gridbridge.incident (incident_id) where state <> 'closed';

    create table gridbridge.incident_notice (
      notice_id   bigint generated always as identity primary key,
      incident_id bigint not null references gridbridge.incident,
      duty        text not null,
      decision    text not null check (decision in ('sent', 'waived')),
      recipient   text not null,
      evidence    text not null,
      noticed_at  timestamptz not null,
      account_id  integer not null references gridbridge.account,
      recorded_at timestamptz not null default clock_timestamp()
    );
    create index incident_notice_of on gridbridge.incident_notice (incident_id, notice_id);

    create function gridbridge.guard_incident() returns trigger
      language plpgsql security definer set search_path = gridbridge, pg_temp
      as $$
      begin
        if tg_op = 'INSERT' then
          if new.state <> 'open' then raise exception 'an incident begins open' using errcode = 'GB409'; end if;
          perform assert_role(new.opened_by, array['security-administrator', 'department-reviewer'],
                              (select department from account where account_id = new.opened_by));
        elsif old.state = 'closed' then
          raise exception 'the incident is closed' using errcode = 'GB409';
        end if;
        if new.closed_by is not null then perform assert_role(new.closed_by, array['security-administrator'], null); end if;
        return new;
      end $$;
    create trigger incident_guard before insert or update on gridbridge.incident
      for each row execute function gridbridge.guard_incident();

    create function gridbridge.guard_incident_notice() returns trigger
      language plpgsql security definer set search_path = gridbridge, pg_temp
      as $$
      begin
        perform assert_role(new.account_id, array['security-administrator'], null);
        if not exists (select from incident where incident_id = new.incident_id and state <> 'closed' for share) then
          raise exception 'the incident is closed' using errcode = 'GB409';
        end if;
        return new;
      end $$;
    create trigger incident_notice_guard before insert on gridbridge.incident_notice
      for each row execute function gridbridge.guard_incident_notice();

    create table gridbridge.freeze_order (
      freeze_id   bigint generated always as identity primary key,
      scope       text not null check (scope in ('feed', 'consumer', 'dataset', 'department', 'everything')),
      name        text,
      department  text,
      derived     text[] not null default '{}',
      reason      text not null,
      incident_id bigint references gridbridge.incident,
      frozen_by   integer not null references gridbridge.account,
      frozen_at   timestamptz not null default clock_timestamp(),
      lifted_by   integer references gridbridge.account,
      lifted_at   timestamptz,
      lift_reason text,
      check ((scope = 'everything') = (name is null)),
      check ((scope in ('feed', 'department')) = (department is not null)),
      check (scope <> 'department' or department = name),
      check (lifted_by <> frozen_by),
      check (num_nonnulls(lifted_by, lifted_at, lift_reason) in (0, 3))
    );
    comment on column gridbridge.freeze_order.derived is 'merged datasets that are made of what is frozen';
    create index freeze_in_force on gridbridge.freeze_order (freeze_id) where lifted_at is null;
    create index freeze_of_incident on gridbridge.freeze_order (incident_id) where incident_id is not null;

    create function gridbridge.guard_freeze() returns trigger
      language plpgsql security definer set search_path = gridbridge, pg_temp
      as $$
      declare
        own_only constant text[] := array['security-administrator', 'department-reviewer'];
        froze text;
      begin
        -- Waits for the disclosures that are under way; whatever comes behind finds the freeze.
        perform pg_advisory_xact_lock(725007);
        if tg_op = 'INSERT' then
          if new.lifted_at is not null then raise exception 'a freeze begins in force' using errcode = 'GB409'; end if;
          if new.scope = 'feed' and new.department is distinct from (select department from feed where code = new.name) then
            raise exception 'the feed is of another department' using errcode = 'GB409';
          end if;
          perform assert_role(new.frozen_by, case when new.department is null then own_only[1:1] else own_only end, new.department);
          return new;
        end if;
        if old.lifted_at is not null then raise exception 'the freeze is lifted' using errcode = 'GB409'; end if;
        select role into froze from account where account_id = old.frozen_by;
        perform assert_role(new.lifted_by, case when froze = 'department-reviewer' then own_only else own_only[1:1] end, old.department);
        return new;
      end $$;
    create trigger freeze_guard before insert or update on gridbridge.freeze_order
      for each row execute function gridbridge.guard_freeze();

    -- Null says "may be any": what does not say what it is made of is stopped by every freeze that could concern it.
    create function gridbridge.find_freeze(of_consumer text, of_dataset text, of_feeds text[]) returns bigint
      language sql stable
      as $$
        select freeze_id from gridbridge.freeze_order as held
          where lifted_at is null
            and (scope = 'everything'
              or scope = 'consumer' and name = of_consumer
              or scope = 'dataset' and (of_dataset is null or name = of_dataset)
              or of_dataset = any (derived)
              or scope in ('feed', 'department') and case
                   when of_feeds is null and of_dataset is null then true
                   else exists (select from gridbridge.feed join gridbridge.dataset using (dataset_id)
                                  where case when of_feeds is null then dataset.name = of_dataset else code = any (of_feeds) end
                                    and case held.scope when 'feed' then code = held.name else feed.department = held.name end) end)
          order by freeze_id limit 1
      $$;

    -- Every disclosure asks: where nothing is frozen, that is one look at an empty index.
    create function gridbridge.assert_not_frozen(of_consumer text, of_dataset text, of_feeds text[]) returns void
      language plpgsql
      as $$
      declare held bigint;
      begin
        perform pg_advisory_xact_lock_shared(725007);
        -- A process that hangs in such a transaction must not hold up a freeze.
        perform set_config('idle_in_transaction_session_timeout', '3000', true);
        if not exists (select from gridbridge.freeze_order where lifted_at is null) then return; end if;
        held := gridbridge.find_freeze(of_consumer, of_dataset, of_feeds);
        if held is not null then raise exception 'freeze %', held using errcode = 'GB503'; end if;
      end $$;

    revoke all on function gridbridge.assert_role(integer, text[], text), gridbridge.guard_incident(), gridbridge.guard_incident_notice(),
      gridbridge.guard_freeze(), gridbridge.find_freeze(text, text, text[]), gridbridge.assert_not_frozen(text, text, text[]) from public;
    grant execute on function gridbridge.find_freeze(text, text, text[]), gridbridge.assert_not_frozen(text, text, text[]) to gridbridge_app;
    grant select, insert on gridbridge.incident, gridbridge.incident_notice, gridbridge.freeze_order to gridbridge_app;
    grant update (state, title, level, ended_at, began_at, categories, causes, harm, measures, advice, contact, persons, records, closed_by, closed_at, review)
      on gridbridge.incident to gridbridge_app;
    grant update (lifted_by, lifted_at, lift_reason) on gridbridge.freeze_order to gridbridge_app;
  `.execute(database)
}
