import { feedCodes, feedPlans } from './feeds.ts'
import type { FeedCode } from './feeds.ts'
import { dirtCount } from './layout.ts'
import type { Dirt } from './layout.ts'
import { planCity } from './options.ts'
import type { CityOptions, Pass } from './options.ts'

/** What pass two does to what one feed hands out. */
export interface SecondPass {
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}

type ByFeed<Value> = Readonly<Record<FeedCode, Value>>
type ByRule = Readonly<Record<string, number>>

function byFeed<Value>(make: (feed: FeedCode) => Value): ByFeed<Value> {
  return Object.fromEntries(feedCodes.map((feed) => [feed, make(feed)])) as ByFeed<Value>
}

function sumDirt(options: CityOptions, feed: FeedCode, counts: (dirt: Dirt) => boolean): number {
  if (options.clean === true) return 0
  const kinds = feedPlans[feed].dirt.filter(counts)
  return kinds.reduce((sum, dirt) => sum + dirtCount(dirt, options.residents), 0)
}

function tallyRules(options: CityOptions, feed: FeedCode, refused: boolean): ByRule {
  if (options.clean === true) return {}
  const kinds = feedPlans[feed].dirt.filter((dirt) => dirt.refused === refused)
  const rules = [...new Set(kinds.map((dirt) => dirt.rule))]
  return Object.fromEntries(
    rules.map((rule) => [rule, sumDirt(options, feed, (dirt) => dirt.refused === refused && dirt.rule === rule)]),
  )
}

/** Rows refused in pass one, by feed and rule. Known by construction: nothing is generated. */
export function expectedRejections(options: CityOptions): ByFeed<ByRule> {
  return byFeed((feed) => tallyRules(options, feed, true))
}

/** Rows accepted with a warning in pass one, by feed and rule. */
export function expectedWarnings(options: CityOptions): ByFeed<ByRule> {
  return byFeed((feed) => tallyRules(options, feed, false))
}

/** Rows each feed offers in pass one, dirty ones and repeated ones too. */
export function sourceCounts(options: CityOptions): ByFeed<number> {
  const city = planCity(options)
  return byFeed((feed) => feedPlans[feed].plan(city).goods + sumDirt(options, feed, () => true))
}

/** What pass two inserts, updates and deletes, by feed. */
export function expectedSecond(options: CityOptions): ByFeed<SecondPass> {
  const city = planCity(options)
  return byFeed((feed) => {
    const { inserted, updated, deleted } = feedPlans[feed].plan(city)
    return { inserted, updated: updated.length, deleted: deleted.length }
  })
}

/** Live records after a pass, by feed: the good rows and those accepted with a warning. */
export function expectedLive(options: CityOptions, pass: Pass): ByFeed<number> {
  const city = planCity(options)
  return byFeed((feed) => {
    const { goods, inserted, deleted } = feedPlans[feed].plan(city)
    const first = goods + sumDirt(options, feed, (dirt) => !dirt.refused)
    return pass === 1 ? first : first + inserted - deleted.length
  })
}
