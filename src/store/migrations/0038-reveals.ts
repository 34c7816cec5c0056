import { sql, type Kysely } from 'kysely'

/**
 * Requests to look at clear values, the agreement of others to them, the looks and their reviews. Nothing of it is ever changed or
 * removed: what is the case follows from what was added, and each addition is refused from whoever may not make it.
 */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`
    create table gridbridge.reveal (
      reveal_id    bigint generated always as identity primary key,
      account_id   integer not null references gridbridge.account,
      department   text not null,
      dataset_id   smallint not null references gridbridge.dataset,
      fields       text[] not null check (cardinality(fields) > 0),
      case_number  text not null,
      purpose      text not null,
      reason       text not null,
      urgent       boolean not null,
      minutes      integer not null check (minutes between 1 and case when urgent then 10 else 30 end),
      requested_at timestamptz not null default clock_timestamp(),
      expires_at   timestamptz not null,
      check (expires_at <= requested_at + case when urgent then interval '1 hour' else interval '7 days' end)
    );
    create index reveal_of_account on gridbridge.reveal (account_id, requested_at);

    create table gridbridge.reveal_record (
      reveal_id        bigint not null references gridbridge.reveal,
      place            integer not null check (place between 1 and 100),
      feed_id          integer not null references gridbridge.feed,
      source_record_id text not null,
      primary key (reveal_id, place),
      unique (reveal_id, feed_id, source_record_id)
    );

    create table gridbridge.reveal_approval (
      reveal_id  bigint not null references gridbridge.reveal,
      duty       text not null check (duty in ('data', 'security')),
      account_id integer not null references gridbridge.account,
      decision   text not null check (decision in ('approve', 'refuse')),
      reason     text,
      decided_at timestamptz not null default clock_timestamp(),
      primary key (reveal_id, duty),
      unique (reveal_id, account_id),
      check (decision = 'approve' or reason is not null)
    );

    create table gridbridge.reveal_look (
      look_id    bigint generated always as identity primary key,
      reveal_id  bigint not null references gridbridge.reveal,
      account_id integer not null references gridbridge.account,
      records    integer not null check (records >= 0),
      looked_at  timestamptz not null default clock_timestamp()
    );
    create index reveal_look_of on gridbridge.reveal_look (reveal_id, looked_at);

    create table gridbridge.reveal_review (
      reveal_id   bigint primary key references gridbridge.reveal,
      account_id  integer not null references gridbridge.account,
      finding     text not null check (finding in ('ok', 'not-ok')),
      note        text not null,
      reviewed_at timestamptz not null default clock_timestamp()
    );

    create view gridbridge.reveal_state as
      select reveal.reveal_id, first_look, first_look + make_interval(mins => minutes) as open_until, coalesce(looks, 0) as looks,
             case when refused then 'refused'
                  when first_look is not null then case when clock_timestamp() < first_look + make_interval(mins => minutes) then 'open' else 'over' end
                  when clock_timestamp() >= expires_at then 'expired'
                  when approved >= case when urgent then 1 else 2 end then 'approved'
                  else 'requested' end as state
        from gridbridge.reveal
        cross join lateral (select count(*) filter (where decision = 'approve') as approved, coalesce(bool_or(decision = 'refuse'), false) as refused
                              from gridbridge.reveal_approval where reveal_approval.reveal_id = reveal.reveal_id) as decided
        cross join lateral (select min(looked_at) as first_look, count(*) as looks
                              from gridbridge.reveal_look where reveal_look.reveal_id = reveal.reveal_id) as looked;

    create function gridbridge.guard_reveal() returns trigger
      language plpgsql security definer set search_path = gridbridge, pg_temp
      as $$
      declare
        asked reveal;
        is_now text;
      begin
        if tg_table_name = 'reveal' then
          perform assert_role(new.account_id, array['department-editor', 'department-reviewer'], new.department);
          new.requested_at := clock_timestamp();
          return new;
        end if;
        -- Held, so that what is decided about one request is decided one after another.
        select * into asked from reveal where reveal_id = new.reveal_id for update;
        select state into is_now from reveal_state where reveal_id = new.reveal_id;
        if tg_table_name = 'reveal_record' then
          if is_now <> 'requested' or (select department from feed where feed_id = new.feed_id) is distinct from asked.department
             or not exists (select from record where record.feed_id = new.feed_id and record.source_record_id = new.source_record_id
                              and record.dataset_id = asked.dataset_id) then
            raise exception 'the record is not of this request' using errcode = 'GB409';
          end if;
        elsif tg_table_name = 'reveal_approval' then
          if is_now not in ('requested', 'approved') then raise exception 'nobody has to decide' using errcode = 'GB409'; end if;
          if new.account_id = asked.account_id then raise exception 'another person decides' using errcode = 'GB403'; end if;
          perform assert_role(new.account_id, array[case new.duty when 'data' then 'data-owner' else 'security-administrator' end], asked.department);
        elsif tg_table_name = 'reveal_look' then
          if new.account_id <> asked.account_id then raise exception 'another person asked' using errcode = 'GB403'; end if;
          perform assert_role(new.account_id, array['department-editor', 'department-reviewer'], asked.department);
          if is_now not in ('approved', 'open') then raise exception 'it may not be looked at' using errcode = 'GB409'; end if;
          new.looked_at := clock_timestamp();
        else
          perform assert_role(new.account_id, array['audit-administrator'], null);
          if new.account_id = asked.account_id
             or exists (select from reveal_approval where reveal_id = new.reveal_id and account_id = new.account_id) then
            raise exception 'another person reviews' using errcode = 'GB403';
          end if;
          if is_now not in ('over', 'open') then raise exception 'nobody has looked' using errcode = 'GB409'; end if;
        end if;
        return new;
      end $$;
    create trigger reveal_guard before insert on gridbridge.reveal for each row execute function gridbridge.guard_reveal();
    create trigger reveal_guard before insert on gridbridge.reveal_record for each row execute function gridbridge.guard_reveal();
    create trigger reveal_guard before insert on gridbridge.reveal_approval for each row execute function gridbridge.guard_reveal();
    create trigger reveal_guard before insert on gridbridge.reveal_look for each row execute function gridbridge.guard_reveal();
    create trigger reveal_guard before insert on gridbridge.reveal_review for each row execute function gridbridge.guard_reveal();

    revoke all on function gridbridge.guard_reveal() from public;
    grant select on gridbridge.reveal_state to gridbridge_app;
    grant select, insert on gridbridge.reveal, gridbridge.reveal_record, gridbridge.reveal_approval, gridbridge.reveal_look,
      gridbridge.reveal_review to gridbridge_app;
  `.execute(database)
}
