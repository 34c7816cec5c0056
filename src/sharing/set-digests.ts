import { createHash, type Hash } from 'node:crypto'
import { AppError } from '../errors.ts'
import { agreementName, type Agreement } from '../store/agreements.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { streamLiving, takeDigesting, type DatasetPart, type LivingRecord } from '../store/set-digests.ts'
import { assertMayCopy, datasetOfAgreement, type SharingContext } from './pull.ts'
import { selectionOf } from './share.ts'

export const digestNames = ['sha256', 'sm3'] as const
export type DigestName = (typeof digestNames)[number]

/** The living records of one division that last changed on one day. */
export interface RecordSet {
  /** First six digits of the area code; null where records have none. */
  readonly division: string | null
  /** yyyy-MM-dd in China Standard Time. */
  readonly day: string
  readonly count: number
  /** Hash over the lines `id TAB version LF` in the order of their bytes, in hexadecimal. */
  readonly digest: string
}

export interface DigestRequest extends DatasetPart {
  readonly agreement: Agreement
  readonly hash: DigestName
}

interface OpenSet extends Pick<RecordSet, 'division' | 'day'> {
  count: number
  /** Lines that are not in the hash yet: a call for each would cost more than the hash. */
  lines: string
  readonly hash: Hash
}

const LINES_LENGTH = 65_536

function addTo(open: OpenSet, { id, version }: LivingRecord): void {
  open.count += 1
  open.lines += `${id}\t${version}\n`
  if (open.lines.length < LINES_LENGTH) return
  open.hash.update(open.lines)
  open.lines = ''
}

const close = ({ division, day, count, lines, hash }: OpenSet): RecordSet => ({
  division,
  day,
  count,
  digest: hash.update(lines).digest('hex'),
})

/** The sets of records that come ordered by set and id. Holds one page and one hash at a time. */
async function digestSets(
  pages: AsyncIterable<readonly LivingRecord[]>,
  name: DigestName,
): Promise<readonly RecordSet[]> {
  const sets: RecordSet[] = []
  let open: OpenSet | null = null
  for await (const page of pages) {
    for (const record of page) {
      const { division, day } = record
      if (open === null || open.division !== division || open.day !== day) {
        if (open !== null) sets.push(close(open))
        open = { division, day, count: 0, lines: '', hash: createHash(name) }
      }
      addTo(open, record)
    }
  }
  return open === null ? sets : [...sets, close(open)]
}

/** Throws AREA_OUTSIDE for a division that no area of the agreement touches. */
function assertInArea({ area }: Agreement, division: string | null): void {
  if (division !== null && !area.some((prefix) => division.startsWith(prefix) || prefix.startsWith(division)))
    throw new AppError('AREA_OUTSIDE', 'ask about a division of the agreement')
}

/**
 * Counts and set digests of the living records that an agreement covers, by division and day of the last change, as of one moment. A
 * consumer makes the same of what it holds and sees where the two differ. One at a time for each agreement: BUSY. Throws AREA_OUTSIDE,
 * QUERY_ONLY, AUDIT_UNAVAILABLE.
 */
export async function digestRecords(context: SharingContext, request: DigestRequest): Promise<readonly RecordSet[]> {
  const { database, auditDeadlineMs } = context
  const { agreement, hash, division, day } = request
  assertMayCopy(agreement)
  assertInArea(agreement, division)
  const selection = selectionOf(agreement, datasetOfAgreement(context, agreement))
  const sets = await database.transaction(async (transaction) => {
    if (!(await takeDigesting(transaction, agreement.agreementId)))
      throw new AppError('BUSY', 'a reconciliation of this agreement is under way')
    return digestSets(streamLiving(transaction, selection, { division, day }), hash)
  })
  await auditBeforeAnswer(database, agreement.dataset, auditDeadlineMs, ({ audit }) =>
    audit({
      type: 'reconciliation.read',
      actor: `consumer:${agreement.consumer}`,
      outcome: 'ok',
      dataset: agreement.dataset,
      agreement: agreementName(agreement),
      purpose: agreement.purpose,
      count: sets.length,
      details: { division, day, hash },
    }),
  )
  return sets
}
