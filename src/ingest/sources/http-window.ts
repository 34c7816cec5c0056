import { AppError } from '../../errors.ts'
import type { ReadWindow } from '../../feeds/manifest-types.ts'

/** From `from` (included) to `to`, both RFC 3339 in UTC. */
export type HttpWindow = { readonly from: string; readonly to: string }

/**
 * The window after the one that ended at `previousTo` (null: the first). It begins earlier by the look-back, for rows that
 * were committed late, and ends before now by the settle time, for rows that are being committed. Both edges are whole steps
 * of `precisionMs`, so that what is saved is what the source was asked. Null when it would be empty. Throws AppError
 * MANIFEST_INVALID when the start is no time.
 */
export function nextWindow(
  window: ReadWindow,
  previousTo: string | null,
  now: Date,
  precisionMs: number,
): HttpWindow | null {
  const start = Date.parse(window.start)
  if (Number.isNaN(start)) throw new AppError('MANIFEST_INVALID', 'window.start is no RFC 3339 time')
  const earliest = previousTo === null ? start : Math.max(start, Date.parse(previousTo) - window.lookbackSeconds * 1000)
  const from = floorTo(earliest, precisionMs)
  const to = floorTo(now.getTime() - window.settleSeconds * 1000, precisionMs)
  return to <= from ? null : { from: new Date(from).toISOString(), to: new Date(to).toISOString() }
}

function floorTo(milliseconds: number, step: number): number {
  return Math.floor(milliseconds / step) * step
}
