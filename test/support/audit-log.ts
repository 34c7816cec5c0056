import { verifyLanes, type Verdict } from '../../src/audit/verify.ts'
import { openAuditSnapshot } from '../../src/store/audit-log.ts'

/** Verifies the whole log as `gridbridge audit verify` does. */
export async function verifyLog(ownerUrl: string): Promise<Verdict> {
  const snapshot = await openAuditSnapshot(ownerUrl)
  try {
    return await verifyLanes(snapshot.lanes, snapshot.entries, snapshot.pruned)
  } finally {
    await snapshot.close()
  }
}
