import { tokenOf } from '../../src/sharing/who-saw.ts'
import type { TestInstallation } from './installation.ts'

/** Whom each entry of a type names, as hexadecimal tokens, in the order of the entries; nobody where it has no manifest. */
export async function namedBy({ asOwner }: TestInstallation, type: string): Promise<readonly (readonly string[])[]> {
  const rows = await asOwner<{ subjects: Buffer | null }>(
    `select subjects from audit.entry left join audit.manifest using (lane_id, lane_seq) where event_type = $1 order by recorded_at`,
    [type],
  )
  return rows.map(({ subjects }) => subjects?.toString('hex').match(/.{32}/g) ?? [])
}

/** How the log names the person of a citizen number. */
export const nameOf = ({ keys }: TestInstallation, certNumber: string): string =>
  tokenOf(keys, { certType: '111', certNumber }).toString('hex')
