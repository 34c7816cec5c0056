import type { SqlDriver } from '../../feeds/manifest-types.ts'
import type { SqlDatabase } from './sql-dialect.ts'

/** Every database that can be read. Each is loaded, with its driver, when the first source of its kind is opened. */
const databases: Readonly<Record<SqlDriver, () => Promise<SqlDatabase>>> = {
  postgresql: async () => (await import('./sql-postgresql.ts')).postgresql,
  kingbase: async () => (await import('./sql-postgresql.ts')).postgresql,
  mysql: async () => (await import('./sql-mysql.ts')).mysql,
  mariadb: async () => (await import('./sql-mysql.ts')).mariadb,
  oracle: async () => (await import('./sql-oracle.ts')).oracle,
  sqlserver: async () => (await import('./sql-sqlserver.ts')).sqlserver,
  dameng: async () => (await import('./sql-dameng.ts')).dameng,
}

export function loadDatabase(driver: SqlDriver): Promise<SqlDatabase> {
  return databases[driver]()
}
