const RETRY_CAP_MS = 5 * 60_000

/** Doubling from one second to five minutes, with jitter of half, so that receivers are not all asked again at once. */
export function backoffMs(failures: number): number {
  const longest = Math.min(RETRY_CAP_MS, 1000 * 2 ** Math.min(failures, 20))
  return longest / 2 + Math.random() * (longest / 2)
}
