import { AppError } from '../../errors.ts'

/** What one run of a feed may bring, as its manifest states it. */
export interface SourceLimits {
  /** Bytes of one page after decompression. */
  readonly pageBytes: number
  /** Pages of one run. */
  readonly pages: number
}

/** Throws AppError SOURCE_LIMIT_EXCEEDED when `pages`, the pages of this run so far, are more than the manifest allows. */
export function assertPageCount(pages: number, limits: SourceLimits): void {
  if (pages <= limits.pages) return
  throw new AppError(
    'SOURCE_LIMIT_EXCEEDED',
    `more than ${limits.pages} pages in one run; raise limits.pages if it is right`,
  )
}

/** Throws AppError SOURCE_LIMIT_EXCEEDED when a page is larger than the manifest allows. `bytes` may be a lower estimate. */
export function assertPageBytes(bytes: number, limits: Pick<SourceLimits, 'pageBytes'>): void {
  if (bytes <= limits.pageBytes) return
  throw new AppError('SOURCE_LIMIT_EXCEEDED', `a page of more than ${limits.pageBytes} bytes; ask for smaller pages`)
}
