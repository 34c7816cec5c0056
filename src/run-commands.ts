import { within, type Place } from './commands.ts'
import { viewCertificate, type CertificateOfRun } from './http/run-schemas.ts'
import { readReconciliation } from './store/reconciliation.ts'

/** `run certificate`: what `GET /api/v1/runs/:runId/certificate` answers. Throws RUN_UNKNOWN. */
export async function readCertificate(place: Place, runId: number): Promise<CertificateOfRun> {
  return within(place, async ({ database }) => viewCertificate(await readReconciliation(database.query, runId)))
}
