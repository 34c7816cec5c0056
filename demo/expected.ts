import { expectedLive, expectedRejections, expectedSecond, sourceCounts } from './city/expectations.ts'
import type { SecondPass } from './city/expectations.ts'
import { feedPlans } from './city/feeds.ts'
import type { FeedCode } from './city/feeds.ts'
import type { CityOptions, Dataset } from './city/options.ts'

/** What the city's generator knows to be true of one dataset, over all feeds that fill it. */
export interface Expected {
  readonly source: number
  readonly rejected: Readonly<Record<string, number>>
  readonly liveFirst: number
  readonly liveSecond: number
  readonly second: SecondPass
}

type ByRule = Readonly<Record<string, number>>

/** Adds numbers up by their names. */
function addUp(parts: readonly ByRule[]): ByRule {
  const sums: Record<string, number> = {}
  for (const part of parts) for (const [name, count] of Object.entries(part)) sums[name] = (sums[name] ?? 0) + count
  return sums
}

/** What is expected of a dataset that these feeds fill. */
export function expectDataset(options: CityOptions, feeds: readonly FeedCode[], dataset: Dataset): Expected {
  const own = feeds.filter((feed) => feedPlans[feed].dataset === dataset)
  const sumOf = (counts: Readonly<Record<FeedCode, number>>): number => own.reduce((sum, feed) => sum + counts[feed], 0)
  const rejections = expectedRejections(options)
  const second = expectedSecond(options)
  const { inserted = 0, updated = 0, deleted = 0 } = addUp(own.map((feed) => ({ ...second[feed] })))
  return {
    source: sumOf(sourceCounts(options)),
    rejected: addUp(own.map((feed) => rejections[feed])),
    liveFirst: sumOf(expectedLive(options, 1)),
    liveSecond: sumOf(expectedLive(options, 2)),
    second: { inserted, updated, deleted },
  }
}
