import type { Query } from '../src/store/database.ts'

/** When an insert of the audit log meets its fault: as it is written, or only as its transaction commits. */
const phases = ['write', 'commit'] as const
/** What then happens: it fails, hangs for longer than any deadline, or the server process behind the connection dies. */
const effects = ['fail', 'hang', 'die'] as const

export type FaultName = `${(typeof phases)[number]} ${(typeof effects)[number]}`

export const faultNames: readonly FaultName[] = phases.flatMap((phase) =>
  effects.map((effect): FaultName => `${phase} ${effect}`),
)

/** Longer than the deadline of every answer, short enough that the server's connections suffice. */
const HANG_SECONDS = 4

/**
 * Plants the faults into a database, as its superuser would: each entry meets each fault with this chance. The count of what happened is a
 * sequence, because nothing else outlives the transactions that fail.
 */
export async function plantFaults(asOwner: Query, chance: number): Promise<void> {
  await asOwner('create schema fault')
  await asOwner('create table fault.chance (each double precision not null)')
  await asOwner('insert into fault.chance values ($1)', [chance])
  for (const name of faultNames) await asOwner(`create sequence fault."${name}"`)
  await asOwner(
    `create function fault.meet() returns trigger language plpgsql security definer set search_path = fault, pg_temp as $$
     declare
       effect text := (array['fail', 'hang', 'die'])[1 + floor(random() / (select each from chance))::int];
     begin
       if effect is null then return new; end if;
       perform nextval(format('fault.%I', tg_argv[0] || ' ' || effect));
       case effect
         when 'fail' then raise exception 'planted' using errcode = '58030';
         when 'hang' then perform pg_sleep(${HANG_SECONDS});
         when 'die' then perform pg_terminate_backend(pg_backend_pid()), pg_sleep(1);
       end case;
       return new;
     end $$`,
  )
  await asOwner(
    `create trigger fault_at_write before insert on audit.entry for each row execute function fault.meet('write')`,
  )
  await asOwner(
    `create constraint trigger fault_at_commit after insert on audit.entry deferrable initially deferred
       for each row execute function fault.meet('commit')`,
  )
}

/** How often each fault happened. */
export async function countFaults(asOwner: Query): Promise<Readonly<Record<FaultName, number>>> {
  const rows = await asOwner<{ name: FaultName; times: number | null }>(
    `select sequencename as name, last_value as times from pg_sequences where schemaname = 'fault'`,
  )
  return Object.fromEntries(rows.map(({ name, times }) => [name, times ?? 0])) as Record<FaultName, number>
}

/** Lets the audit log be written as it should again. */
export async function endFaults(asOwner: Query): Promise<void> {
  await asOwner('drop trigger fault_at_write on audit.entry')
  await asOwner('drop trigger fault_at_commit on audit.entry')
}
