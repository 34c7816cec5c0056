import { sql, type Kysely } from 'kysely'

/** The application proves single entries to whoever may ask for it: it reads the tree, and changes nothing of it. */
export async function up(database: Kysely<never>): Promise<void> {
  await sql`grant select on audit.tree_leaf, audit.tile to gridbridge_app`.execute(database)
}
