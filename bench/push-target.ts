import { MOST_PAGE, wholeCityOf } from '../src/feeds/agreement-rules.ts'
import type { Dataset } from '../src/feeds/datasets.ts'
import { formsOfProfile } from '../src/feeds/profiles.ts'
import type { Installation } from '../src/installation.ts'
import { createWebhookKey } from '../src/security/webhook-signature.ts'
import { grantAgreement } from '../src/sharing/agreements.ts'
import { subscribe } from '../src/sharing/subscribe.ts'
import { findAgreement, type Agreement } from '../src/store/agreements.ts'
import type { ChangePlace } from '../src/store/changes.ts'
import { insertConsumer } from '../src/store/consumers.ts'
import { publishServiceItem } from '../src/store/service-items.ts'
import { ITEM } from './service-item.ts'

export interface Target {
  readonly subscriptionId: number
  readonly dataset: Dataset
  readonly agreement: Agreement
}

/** A consumer that is granted all residents as the operator profile shows them, pushed to `endpoint`. */
export async function addTarget(
  { database, keys, datasets }: Installation,
  name: string,
  endpoint: string,
  after: ChangePlace | null = null,
): Promise<Target> {
  const dataset = datasets.get('resident')
  if (dataset === undefined) throw new Error('wanted the dataset of residents')
  await publishServiceItem(database.query, ITEM, null)
  const consumerId = await insertConsumer(database.query, { name })
  const subscriptionId = await database.transaction(async (transaction) => {
    await grantAgreement(transaction, {
      consumer: name,
      consumerId,
      dataset,
      forms: formsOfProfile('P1_OPERATOR', dataset),
      area: [wholeCityOf(dataset)],
      purpose: ITEM.code,
      method: 'copy',
      recordsPerDay: null,
      pageSize: MOST_PAGE,
      validTo: new Date(Date.now() + 86_400_000),
      grantedBy: 'operator:bench',
      isClearApproved: false,
    })
    const made = { consumerId, consumer: name, dataset: dataset.name, endpoint, demandsReceipt: false, after }
    const secrets = [createWebhookKey('hmac-sha256')]
    return subscribe(transaction, keys, { ...made, secrets, actor: 'operator:bench' })
  })
  return { subscriptionId, dataset, agreement: await findAgreement(database.query, consumerId, dataset.name) }
}
