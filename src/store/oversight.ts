import type { Figure, Limits } from '../audit/oversight-rules.ts'
import type { OversightCode } from '../audit/oversight-texts.ts'
import type { Query } from './database.ts'

/** The database's clock, by which audit entries are dated. */
export async function readDatabaseTime(query: Query): Promise<Date> {
  const [row] = await query<{ now: Date }>('select clock_timestamp() as now')
  return row?.now ?? new Date()
}

/** Up to when the rule has judged, locked until the transaction ends; null while another process judges. One that never did begins at `start`. */
export async function lockRule(query: Query, rule: OversightCode, start: Date): Promise<Date | null> {
  await query('insert into oversight_rule (rule, judged_until) values ($1, $2) on conflict do nothing', [rule, start])
  const [row] = await query<{ judgedUntil: Date }>(
    'select judged_until as "judgedUntil" from oversight_rule where rule = $1 for update skip locked',
    [rule],
  )
  return row?.judgedUntil ?? null
}

export async function saveJudged(query: Query, rule: OversightCode, until: Date): Promise<void> {
  await query('update oversight_rule set judged_until = $2 where rule = $1', [rule, until])
}

/**
 * Keeps a finding. False where the same was found already in a window that overlaps this one, which began at `from`: it is the same
 * fact, seen again.
 */
export async function saveFinding(
  query: Query,
  rule: OversightCode,
  figure: Figure,
  window: { readonly from: Date; readonly until: Date },
): Promise<boolean> {
  const rows = await query(
    `insert into oversight_finding (rule, about, window_until, figures)
       select $1, $2, $3, $4
        where not exists (select from oversight_finding where rule = $1 and about = $2 and window_until > $5 and window_until <= $3)
     on conflict do nothing returning rule`,
    [rule, figure.about, window.until, JSON.stringify({ count: figure.count, usual: figure.usual }), window.from],
  )
  return rows.length > 0
}

/** The thresholds that the installation set, by rule. */
export async function readThresholds(query: Query): Promise<ReadonlyMap<string, Limits>> {
  const rows = await query<{ rule: string; limits: Limits }>(
    'select rule, jsonb_object_agg(name, value) as limits from oversight_threshold group by rule',
  )
  return new Map(rows.map(({ rule, limits }) => [rule, limits]))
}

/** Sets thresholds of a rule; those that are not named stay. */
export async function saveThresholds(query: Query, rule: OversightCode, limits: Limits, actor: string): Promise<void> {
  await query(
    `insert into oversight_threshold (rule, name, value, set_by)
       select $1, key, value::int, $3 from jsonb_each_text($2) on conflict (rule, name)
       do update set value = excluded.value, set_by = excluded.set_by, set_at = clock_timestamp()`,
    [rule, JSON.stringify(limits), actor],
  )
}
