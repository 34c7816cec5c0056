import { AppError } from '../errors.ts'
import { findAgreementFaults } from '../feeds/agreement-rules.ts'
import type { Dataset } from '../feeds/datasets.ts'
import { agreementName, saveAgreement, type NewAgreement } from '../store/agreements.ts'
import type { Transaction } from '../store/database.ts'
import { restartSubscriptions } from '../store/deliveries.ts'
import { listValidItems } from '../store/service-items.ts'

/** What is asked to be granted. `consumer` is its name, for the audit log. */
export interface Grant extends Omit<NewAgreement, 'dataset'> {
  readonly consumer: string
  readonly dataset: Dataset
  /** The security administrator approved a second time that L4 fields leave in clear. */
  readonly isClearApproved: boolean
}

/**
 * Puts an agreement into force, or the next version of the one between the same consumer and dataset, and writes it down. What was sent
 * under the version before is sent again in the new forms. Throws AGREEMENT_INVALID naming every place that is not acceptable.
 */
export async function grantAgreement(
  { query, audit }: Transaction,
  grant: Grant,
): Promise<{ readonly agreementId: number; readonly version: number }> {
  const { consumer, dataset, isClearApproved, ...terms } = grant
  const faults = [...findAgreementFaults(dataset, grant)]
  if (!(await listValidItems(query)).has(grant.purpose))
    faults.push({ pointer: '/purpose', wanted: 'an item of the service list that is in force today' })
  if (faults.length > 0)
    throw new AppError(
      'AGREEMENT_INVALID',
      faults.map(({ pointer, wanted }) => `${pointer}: wanted ${wanted}`).join('\n'),
    )
  const granted = await saveAgreement(query, { ...terms, dataset: dataset.name })
  if (granted.version > 1) await restartSubscriptions(query, granted.agreementId)
  await audit({
    type: 'agreement.granted',
    actor: grant.grantedBy,
    outcome: 'ok',
    dataset: dataset.name,
    agreement: agreementName(granted),
    purpose: grant.purpose,
    object: `consumer/${consumer}`,
    details: { area: grant.area.join(' '), method: grant.method, isClearApproved },
  })
  return granted
}
