import { agreementName, resumeRestored, suspendWithdrawn, type WithdrawnAgreement } from '../store/agreements.ts'
import type { Database, Transaction } from '../store/database.ts'
import { repeat } from './repeat.ts'

/** The state of an agreement is seen to follow the service list within five seconds. */
const EVERY_MS = 3000

async function tell(
  { audit }: Transaction,
  type: 'agreement.suspended' | 'agreement.resumed',
  agreement: WithdrawnAgreement,
): Promise<void> {
  const { consumer, dataset, purpose } = agreement
  const fact = { actor: 'system:scheduler', outcome: 'ok', dataset, purpose, object: `consumer/${consumer}` } as const
  await audit({ ...fact, type, agreement: agreementName(agreement), details: { reason: 'PURPOSE_WITHDRAWN' } })
}

/** Suspends the agreements whose item left the service list and lets those go on whose item is back. Safe in any number of processes. */
async function followServiceList(database: Database): Promise<void> {
  await database.transaction(async (transaction) => {
    for (const agreement of await suspendWithdrawn(transaction.query))
      await tell(transaction, 'agreement.suspended', agreement)
    for (const agreement of await resumeRestored(transaction.query))
      await tell(transaction, 'agreement.resumed', agreement)
  })
}

/** Follows the service list until the function that it returns is called. A pass that fails is followed by the next one. */
export const startAgreementWatch = (
  database: Database,
  onError: (error: unknown) => void,
  everyMs = EVERY_MS,
): (() => Promise<void>) => repeat(() => followServiceList(database), { everyMs, onError })
