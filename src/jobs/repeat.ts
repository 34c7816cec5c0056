import { setTimeout as wait } from 'node:timers/promises'

export interface Repetition {
  readonly everyMs: number
  /** Hears what a pass failed with; the next pass follows all the same. */
  readonly onError: (error: unknown) => void
}

/**
 * Does `pass` at once and again `everyMs` milliseconds after it ended, one at a time. Returns how to stop: it ends the pause, tells a
 * long pass by `isStopped`, and waits for the pass in hand.
 */
export function repeat(
  pass: (isStopped: () => boolean) => Promise<unknown>,
  { everyMs, onError }: Repetition,
): () => Promise<void> {
  const stopping = new AbortController()
  const isStopped = (): boolean => stopping.signal.aborted
  const passes = async (): Promise<void> => {
    while (!isStopped()) {
      await pass(isStopped).catch(onError)
      await wait(everyMs, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
  }
  const running = passes()
  return async () => {
    stopping.abort()
    await running
  }
}
