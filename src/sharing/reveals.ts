import { AppError } from '../errors.ts'
import type { Dataset } from '../feeds/datasets.ts'
import type { Fields } from '../record.ts'
import { revealDuties } from '../security/permissions.ts'
import { open } from '../security/seal.ts'
import { actorOf, type Account } from '../store/accounts.ts'
import { clearObjectAlert, raiseObjectAlert } from '../store/alerts.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import type { RecordName } from '../store/changes.ts'
import type { Transaction } from '../store/database.ts'
import {
  assertMayAsk,
  findReveal,
  insertLook,
  insertReveal,
  insertRevealDecision,
  insertReview,
  readNamedRecords,
  revealName,
  type NamedRecord,
  type NewReveal,
  type Reveal,
  type RevealDecision,
  type RevealReview,
} from '../store/reveals.ts'
import { listValidItems } from '../store/service-items.ts'
import type { SharingContext } from './pull.ts'

/** What an installation has decided about looks at clear values; see docs/operations.md. */
export interface RevealRules {
  /** Requests of one account in a day. */
  readonly perDay: number
  /** Minutes from the first look, at most. */
  readonly minutes: number
  /** The same for break-glass. */
  readonly urgentMinutes: number
  /** Hours until a request that was not used expires. */
  readonly hours: number
}

export interface RevealContext extends SharingContext {
  readonly revealRules: RevealRules
}

/** What somebody asks to see. */
export interface RevealRequest extends Pick<
  NewReveal,
  'fields' | 'caseNumber' | 'purpose' | 'reason' | 'urgent' | 'department'
> {
  readonly dataset: Dataset
  readonly records: readonly RecordName[]
  /** Null: as many as are allowed. */
  readonly minutes: number | null
}

/** Break-glass is for now: what is not used within the hour was no emergency. */
const URGENT_HOURS = 1

/** How audit entries name a record and its person: ids of a source may be numbers of persons. */
function tokensOf({ keys }: RevealContext, dataset: string, records: readonly NamedRecord[]) {
  const persons = records.flatMap(({ subject }) =>
    subject === null ? [] : [keys.personTokens([subject]).toString('hex')],
  )
  return {
    records: records
      .map(({ feed, recordId }) => keys.token('audit', `record|${dataset}|${feed}|${recordId}`))
      .join(' '),
    persons: [...new Set(persons)].join(' '),
  }
}

const factOf = ({ revealId, dataset, purpose }: Reveal, actor: string) =>
  ({ actor, outcome: 'ok', dataset, purpose, object: revealName(revealId) }) as const

/** Only what is hidden can be revealed, and only what is asked for is. */
function assertFields({ sealed }: Dataset, fields: readonly string[]): void {
  const unknown = fields.find((field) => !sealed.includes(field))
  if (unknown !== undefined)
    throw new AppError(
      'REQUEST_INVALID',
      `body/fields: the dataset hides no field of this name; it hides ${sealed.join(', ')}`,
    )
}

/** Throws REQUEST_INVALID where more minutes are asked for than this kind of request may have. */
function minutesOf({ urgent, minutes }: RevealRequest, rules: RevealRules): number {
  const most = urgent ? rules.urgentMinutes : rules.minutes
  if (minutes !== null && minutes > most) throw new AppError('REQUEST_INVALID', `body/minutes: ${most} at most`)
  return minutes ?? most
}

/** Tells at once that somebody means to look with one approval only. */
async function soundAlarm(transaction: Transaction, { revealId, department, records, urgent }: Reveal): Promise<void> {
  if (!urgent) return
  const object = revealName(revealId)
  // Of the whole city: the department that is meant must not be the only one to see it.
  await raiseObjectAlert(transaction, {
    kind: 'reveal-break-glass',
    object,
    department: null,
    details: { of: department, records },
  })
}

/**
 * Asks to see clear values of records of the account's own department. Nothing is opened. Throws REVEALS_SPENT, RECORD_UNKNOWN, ITEM_UNKNOWN,
 * REQUEST_INVALID.
 */
export async function askReveal(context: RevealContext, account: Account, request: RevealRequest): Promise<Reveal> {
  const { database, revealRules, auditDeadlineMs } = context
  const { dataset, records, urgent, purpose } = request
  assertFields(dataset, request.fields)
  const minutes = minutesOf(request, revealRules)
  if (!(await listValidItems(database.query)).has(purpose)) throw new AppError('ITEM_UNKNOWN', purpose)
  const hours = urgent ? Math.min(URGENT_HOURS, revealRules.hours) : revealRules.hours
  return auditBeforeAnswer(database, dataset.name, auditDeadlineMs, async (transaction) => {
    const { query, audit } = transaction
    const { accountId } = account
    await assertMayAsk(query, accountId, revealRules.perDay)
    const revealId = await insertReveal(
      query,
      { ...request, dataset: dataset.name, accountId, minutes, hours },
      records,
    )
    const reveal = await findReveal(query, revealId)
    const details = {
      caseNumber: reveal.caseNumber,
      urgent,
      minutes,
      fields: request.fields.join(' '),
      ...tokensOf(context, dataset.name, await readNamedRecords(query, revealId)),
    }
    await audit({ ...factOf(reveal, actorOf(account)), type: 'reveal.asked', count: records.length, details })
    await soundAlarm(transaction, reveal)
    return reveal
  })
}

/**
 * Keeps what one account decides. With both duties done, or for break-glass one of them, the requester may look. Throws REVEAL_STATE,
 * SECOND_PERSON, and REQUEST_INVALID for a refusal without a reason.
 */
export async function decideReveal(
  { database }: Pick<RevealContext, 'database'>,
  revealId: number,
  given: RevealDecision,
  actor: string,
): Promise<Reveal> {
  const { decision, duty, reason } = given
  if (decision === 'refuse' && reason === null) throw new AppError('REQUEST_INVALID', 'body/reason: wanted why')
  return database.transaction(async ({ query, audit }) => {
    const asked = await findReveal(query, revealId)
    if (asked.accountId === given.accountId) throw new AppError('SECOND_PERSON', revealName(revealId))
    if (asked.state !== 'requested' && asked.state !== 'approved')
      throw new AppError('REVEAL_STATE', `it is ${asked.state}`)
    await insertRevealDecision(query, revealId, given)
    const verdict = { approve: 'reveal.approved', refuse: 'reveal.refused' } as const
    const outcome = decision === 'approve' ? 'ok' : 'denied'
    const details = { duty, reason, urgent: asked.urgent }
    await audit({ ...factOf(asked, actor), type: verdict[decision], outcome, count: asked.records, details })
    return findReveal(query, revealId)
  })
}

/** One record in clear: the fields that were asked for, and null where it was removed since. */
export interface ClearRecord extends RecordName {
  readonly fields: Fields | null
}

function openRecord({ keys }: RevealContext, reveal: Reveal, { feed, recordId, sealed }: NamedRecord): ClearRecord {
  if (sealed === null) return { feed, recordId, fields: null }
  const all = JSON.parse(open(keys.sealKey, `record|${reveal.dataset}|${feed}|${recordId}`, sealed)) as Fields
  const wanted = reveal.fields.filter((field) => Object.hasOwn(all, field))
  return { feed, recordId, fields: Object.fromEntries(wanted.map((field) => [field, all[field]])) }
}

const OVER: ReadonlySet<Reveal['state']> = new Set(['over', 'expired'])

/** Throws FORBIDDEN for everybody but who asked, REVEAL_EXPIRED, REVEAL_STATE. */
function assertMayLook(reveal: Reveal, { accountId }: Account): void {
  if (reveal.accountId !== accountId) throw new AppError('FORBIDDEN', 'only who asked may look')
  if (OVER.has(reveal.state)) throw new AppError('REVEAL_EXPIRED', `it is ${reveal.state}`)
  if (reveal.state === 'requested')
    throw new AppError(
      'REVEAL_STATE',
      `it wants the agreement of ${reveal.urgent ? 'one' : Object.keys(revealDuties).length} other than who asks`,
    )
  if (reveal.state === 'refused') throw new AppError('REVEAL_STATE', 'it is refused')
}

export interface Look {
  readonly reveal: Reveal
  readonly records: readonly ClearRecord[]
}

/**
 * Opens the fields that were asked for. Look and audit entry, which names each record and person by token, are committed before this
 * returns. Throws FORBIDDEN, REVEAL_EXPIRED, REVEAL_STATE, FROZEN, AUDIT_UNAVAILABLE, SEAL_BROKEN.
 */
export async function lookAtReveal(context: RevealContext, account: Account, revealId: number): Promise<Look> {
  const { database, keys, auditDeadlineMs } = context
  return auditBeforeAnswer(database, revealName(revealId), auditDeadlineMs, async (transaction) => {
    const { query, audit } = transaction
    const before = await findReveal(query, revealId)
    assertMayLook(before, account)
    const named = await readNamedRecords(query, revealId)
    const records = named.map((one) => openRecord(context, before, one))
    await insertLook(query, revealId, account.accountId, records.length)
    const reveal = await findReveal(query, revealId)
    const { caseNumber, urgent, fields, looks, department } = reveal
    const details = {
      caseNumber,
      urgent,
      look: looks,
      fields: fields.join(' '),
      ...tokensOf(context, reveal.dataset, named),
    }
    await audit({
      ...factOf(reveal, actorOf(account)),
      type: 'reveal.looked',
      count: records.length,
      outputDigest: keys.token('audit', JSON.stringify(records)),
      feeds: [...new Set(named.map(({ feed }) => feed))],
      subjects: keys.personTokens(named.map(({ subject }) => subject)),
      details,
    })
    const alert = {
      object: revealName(revealId),
      department: null,
      details: { of: department, records: records.length },
    }
    if (looks === 1) await raiseObjectAlert(transaction, { ...alert, kind: 'reveal-opened' })
    return { reveal, records }
  })
}

/** What a review answers. */
const answered = ['reveal-opened', 'reveal-break-glass', 'reveal-unreviewed'] as const

/** Keeps the finding of whoever audits; one that is not ok is told of. Throws REVEAL_STATE where nobody has looked, or it was reviewed. */
export async function reviewReveal(
  { database }: Pick<RevealContext, 'database'>,
  revealId: number,
  account: Account,
  review: RevealReview,
): Promise<Reveal> {
  return database.transaction(async (transaction) => {
    const { query, audit } = transaction
    const looked = await findReveal(query, revealId)
    if (looked.firstLookAt === null) throw new AppError('REVEAL_STATE', 'nobody has looked')
    await insertReview(query, revealId, account.accountId, review)
    for (const kind of answered) await clearObjectAlert(query, revealName(revealId), kind)
    const details = { finding: review.finding }
    await audit({ ...factOf(looked, actorOf(account)), type: 'reveal.reviewed', count: looked.records, details })
    const { department, records, requestedBy } = looked
    const alert = {
      object: revealName(revealId),
      department: null,
      details: { of: department, records, by: requestedBy },
    }
    if (review.finding === 'not-ok') await raiseObjectAlert(transaction, { ...alert, kind: 'reveal-misused' })
    return findReveal(query, revealId)
  })
}
