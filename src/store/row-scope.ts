import type { Database, Query } from './database.ts'

/**
 * Reads for somebody of this department (null: of the whole city). The database itself then shows the rows of the department alone,
 * whatever the statements of `work` ask for; they may read and nothing else.
 */
export async function readScoped<Result>(
  database: Database,
  department: string | null,
  work: (query: Query) => Promise<Result>,
): Promise<Result> {
  if (department === null) return work(database.query)
  return database.transaction(async ({ query }) => {
    await query(
      `select set_config('gridbridge.department', $1, true), set_config('transaction_read_only', 'on', true),
              set_config('role', 'gridbridge_reader', true)`,
      [department],
    )
    return work(query)
  })
}
