import { createHash } from 'node:crypto'
import type { ChangeMark } from './holdings.ts'
import type { Ledger, LedgerEntry } from './ledger.ts'
import { verifyWebhook } from './signature.ts'
import type { WebhookHeaders } from './signature.ts'

/** An HTTP answer of the platform. */
export interface Answer {
  readonly status: number
  readonly body: unknown
}

interface ChangeBody {
  readonly type: 'dataset.changes'
  readonly dataset: string
  readonly changes: readonly {
    readonly operation: 'upsert' | 'delete'
    readonly id: string
    readonly version: number
  }[]
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isChange(value: unknown): boolean {
  if (!isObject(value)) return false
  const { operation, id, version, record } = value
  if (typeof id !== 'string' || id === '' || typeof version !== 'number') return false
  if (!Number.isSafeInteger(version) || version < 1) return false
  return operation === 'upsert' ? isObject(record) : operation === 'delete' && record === null
}

function isChangeBody(value: unknown): value is ChangeBody {
  if (!isObject(value) || value['type'] !== 'dataset.changes' || typeof value['dataset'] !== 'string') return false
  return Array.isArray(value['changes']) && value['changes'].every(isChange)
}

function parseChanges(body: Buffer): ChangeBody | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return isChangeBody(value) ? value : null
  } catch {
    return null
  }
}

function toEntry(id: string, digest: string, body: ChangeBody): LedgerEntry {
  const changes = body.changes.map((change): ChangeMark => [change.operation, change.id, change.version])
  return { kind: 'delivery', id, digest, dataset: body.dataset, changes }
}

async function refuse(ledger: Ledger, kind: 'conflict' | 'badSignature', status: number): Promise<Answer> {
  await ledger.append({ kind })
  return { status, body: { error: kind } }
}

/**
 * One delivery under Standard Webhooks: 401 for a bad signature, 200 with `duplicate` for a repeat, 409 for another
 * body under the same id, 422 for a body that is no change list, else 200 with a receipt once the delivery is on disk.
 */
export async function receive(ledger: Ledger, secret: Buffer, headers: WebhookHeaders, body: Buffer): Promise<Answer> {
  if (!verifyWebhook(secret, headers, body, new Date())) return refuse(ledger, 'badSignature', 401)
  const digest = createHash('sha256').update(body).digest('hex')
  const known = ledger.findDigest(headers.id)
  if (known !== undefined && known !== digest) return refuse(ledger, 'conflict', 409)
  const changes = parseChanges(body)
  if (changes === null) return { status: 422, body: { error: 'body' } }
  // The receipt: what was taken, so that the sender can compare.
  const receipt = { id: headers.id, received: changes.changes.length, digest }
  if (known !== undefined) {
    await ledger.append({ kind: 'redelivery' })
    return { status: 200, body: { duplicate: true, ...receipt } }
  }
  await ledger.append(toEntry(headers.id, digest, changes))
  return { status: 200, body: { duplicate: false, ...receipt } }
}
