import type { Query } from './database.ts'

/** Rejected rows of each dataset by rule; a row that broke two rules counts for each. */
export async function countRejections(
  query: Query,
): Promise<Readonly<Record<string, Readonly<Record<string, number>>>>> {
  const rows = await query<{ dataset: string; rules: Record<string, number> }>(
    `select dataset, jsonb_object_agg(rule, rows) as rules
       from (select dataset.name as dataset, reason->>'rule' as rule, count(distinct rejection_id) as rows
               from rejection join feed using (feed_id) join dataset using (dataset_id),
                    jsonb_array_elements(reasons) as reason
              group by 1, 2) as counted
      group by dataset`,
  )
  return Object.fromEntries(rows.map((row) => [row.dataset, row.rules]))
}
