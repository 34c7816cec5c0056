import { setTimeout as wait } from 'node:timers/promises'
import { AppError } from '../../errors.ts'
import type { Manifest } from '../../feeds/manifest-types.ts'
import type { Source } from './source.ts'

type Limits = Pick<Manifest['limits'], 'requestsPerSecond' | 'requestsPerDay'>

/** Waits as long as it takes to stay within so many calls a second. Calls are spread evenly, never in bursts. */
function createPace(perSecond: number | undefined): () => Promise<void> {
  if (perSecond === undefined) return () => Promise.resolve()
  let nextAt = 0
  return async () => {
    const now = Date.now()
    const at = Math.max(now, nextAt)
    nextAt = at + 1000 / perSecond
    if (at > now) await wait(at - now)
  }
}

/**
 * A source that is called no faster and no more often than its department allows. `countCall` counts one call of this day and
 * returns how many there were with it. Reading a page then also throws SOURCE_BUDGET_SPENT.
 */
export function limitCalls(source: Source, limits: Limits, countCall: () => Promise<number>): Source {
  const { requestsPerSecond, requestsPerDay } = limits
  if (requestsPerSecond === undefined && requestsPerDay === undefined) return source
  const keepPace = createPace(requestsPerSecond)
  return {
    ...source,
    readPage: async (cursor, now) => {
      if (requestsPerDay !== undefined && (await countCall()) > requestsPerDay)
        throw new AppError('SOURCE_BUDGET_SPENT', `${requestsPerDay} calls a day are allowed`)
      await keepPace()
      return source.readPage(cursor, now)
    },
  }
}
