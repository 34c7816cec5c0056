import type { KeyPurpose, WrappedKey } from '../security/key-ring.ts'
import type { Suite } from '../security/suites.ts'
import type { Query } from './database.ts'

export async function readDataKeys(query: Query): Promise<readonly WrappedKey[]> {
  return query<WrappedKey & { purpose: KeyPurpose; suite: Suite['name'] }>(
    'select key_id as id, purpose, suite, wrapped from data_key order by key_id',
  )
}
