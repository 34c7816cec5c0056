import { AppError } from '../errors.ts'
import { readCertificate, subjectName } from '../feeds/certificate.ts'
import type { FeedShare } from '../store/agreement-use.ts'
import type { Agreement } from '../store/agreements.ts'
import { MERGED_FEED, readRecord, readRecordsOfPerson, type Change, type RecordName } from '../store/changes.ts'
import {
  listOf,
  utf8Of,
  answerShared,
  assertMayCopy,
  datasetOfAgreement,
  sharesOf,
  type Answer,
  type SharingContext,
} from './pull.ts'
import { livingOf, selectionOf, shareJson } from './share.ts'

/** One person by certificate, as somebody wrote it. */
export interface AskedPerson {
  readonly certType: string
  readonly certNumber: string
}

/** Whom or what a query asks about, why, and for which case. */
export interface RecordQuery {
  readonly about: AskedPerson | RecordName
  readonly reason: string
  readonly caseNumber: string
}

/** A person has a handful of records; more than this would be a copy. */
const MOST_RECORDS = 20

/** An answer that finds nothing counts as one, or the day's limit would not stop somebody who tries numbers. */
const usedBy = (changes: readonly Change[]): readonly FeedShare[] =>
  changes.length > 0 ? sharesOf(changes) : [{ feed: MERGED_FEED.code, records: 0, persons: 0 }]

/** How audit entries name a record: ids of a source may be numbers of persons. */
const recordToken = ({ keys }: SharingContext, { dataset }: Agreement, { feed, recordId }: RecordName): string =>
  `record/${keys.token('audit', `record|${dataset}|${feed}|${recordId}`)}`

/** How audit entries name a person, from the token that its records hold. */
const personToken = ({ keys }: SharingContext, subject: string): string =>
  `person/${keys.personTokens([subject]).toString('hex')}`

/** The person of the records, where they name one. */
function personOf(context: SharingContext, changes: readonly Change[]): { readonly person?: string } {
  const subject = changes.find((change) => change.subject !== null)?.subject ?? null
  return subject === null ? {} : { person: personToken(context, subject) }
}

/**
 * One record as the agreement grants it. One that does not exist, was deleted or lies outside the area gives the same
 * RECORD_UNKNOWN, after the same work and an audit entry of the same kind. Throws QUERY_ONLY, QUOTA_SPENT, AUDIT_UNAVAILABLE.
 */
export async function pullRecord(
  context: SharingContext,
  agreement: Agreement,
  name: RecordName,
  heldTags?: string,
): Promise<Answer> {
  assertMayCopy(agreement)
  const dataset = datasetOfAgreement(context, agreement)
  const changes = await readRecord(context.database.query, selectionOf(agreement, dataset), name)
  const [shared] = livingOf(shareJson(changes, agreement, { dataset, keys: context.keys, today: new Date() }))
  const answer = await answerShared(context, agreement, {
    type: 'record.read',
    changes,
    count: shared === undefined ? 0 : 1,
    body: utf8Of(shared?.json ?? ['null']),
    heldTags: shared === undefined ? undefined : heldTags,
    shares: usedBy(changes),
    object: recordToken(context, agreement, name),
    details: personOf(context, changes),
  })
  if (shared === undefined) throw new AppError('RECORD_UNKNOWN', 'nothing that the agreement covers has this id')
  return answer
}

interface Asked {
  readonly object: string
  readonly changes: readonly Change[]
  /** The person's token, where a person was asked about. */
  readonly asked?: string
}

/** What a query finds, and whom the audit entry says that it asked about. */
async function findAsked(context: SharingContext, agreement: Agreement, about: RecordQuery['about']): Promise<Asked> {
  const dataset = datasetOfAgreement(context, agreement)
  const selection = selectionOf(agreement, dataset)
  const { query } = context.database
  if ('feed' in about) {
    const changes = await readRecord(query, selection, about)
    return { object: recordToken(context, agreement, about), changes }
  }
  if (dataset.subject === null) throw new AppError('REQUEST_INVALID', 'body/subject: this dataset names no persons')
  const subject = context.keys.token('subject', subjectName(readCertificate(about.certType, about.certNumber)))
  const changes = await readRecordsOfPerson(query, selection, subject, MOST_RECORDS)
  return { object: personToken(context, subject), changes, asked: subject }
}

/**
 * The records of one person, or one record, for registers that may not be copied: 20 at most, with the reason and the case in the
 * audit entry, which is committed before this returns. Throws QUOTA_SPENT, REQUEST_INVALID, AUDIT_UNAVAILABLE.
 */
export async function queryRecords(
  context: SharingContext,
  agreement: Agreement,
  { about, reason, caseNumber }: RecordQuery,
): Promise<Answer> {
  const dataset = datasetOfAgreement(context, agreement)
  const { changes, ...asked } = await findAsked(context, agreement, about)
  const records = livingOf(shareJson(changes, agreement, { dataset, keys: context.keys, today: new Date() }))
  return answerShared(context, agreement, {
    type: 'record.queried',
    changes,
    count: records.length,
    body: utf8Of(['{"records":[', ...listOf(records), ']}']),
    shares: usedBy(changes),
    ...asked,
    details: { reason, caseNumber, ...personOf(context, changes) },
  })
}
