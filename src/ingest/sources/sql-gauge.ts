import { assertPageBytes } from './limits.ts'

/** Passes each text of one answer on, until together they are more than a page may hold. */
export type Gauge = (text: string) => string

/**
 * A gauge for one answer, which is read as it arrives: so a page of a thousand texts of 10 MB is refused after the first few.
 * An answer holds the key of a row beside the row, so twice a page goes through; the page itself is judged later. What it
 * throws is AppError SOURCE_LIMIT_EXCEEDED; `stop` ends the connection, so that the rest never arrives.
 */
export function createGauge(pageBytes: number, stop: () => void): Gauge {
  let left = 2 * pageBytes
  return (text) => {
    left -= text.length
    if (left >= 0) return text
    stop()
    assertPageBytes(Infinity, { pageBytes })
    return text
  }
}
