import { AppError } from '../errors.ts'

/** What clocks may differ by without anybody lying. */
const SKEW_MS = 5 * 60_000

/** Whether evidence can be of this time: it is one, and it is not still to come. */
export const isEvidenceTime = (at: Date): boolean => !Number.isNaN(at.getTime()) && at.getTime() <= Date.now() + SKEW_MS

/** Throws REQUEST_INVALID for a time that evidence cannot be of. */
export function assertEvidenceTime(at: Date): void {
  if (!isEvidenceTime(at)) throw new AppError('REQUEST_INVALID', 'body/evidenceAt: wanted a time that has been')
}
