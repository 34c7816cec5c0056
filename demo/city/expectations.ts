import { planChanges } from './changes.ts'
import { dirtCount } from './layout.ts'
import type { Dirt } from './layout.ts'
import { planCity } from './options.ts'
import type { CityOptions, Dataset, Pass } from './options.ts'
import { dirtOf } from './source.ts'

/** What pass two does to one dataset. */
export interface SecondPass {
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}

function byDataset<Value>(make: (dataset: Dataset) => Value): Readonly<Record<Dataset, Value>> {
  return {
    resident: make('resident'),
    housing: make('housing'),
    entity: make('entity'),
    address: make('address'),
    grid: make('grid'),
  }
}

function sumDirt(options: CityOptions, dataset: Dataset, counts: (dirt: Dirt) => boolean): number {
  if (options.clean === true) return 0
  const kinds = dirtOf[dataset].filter(counts)
  return kinds.reduce((sum, dirt) => sum + dirtCount(dirt, options.residents), 0)
}

function tallyRules(options: CityOptions, dataset: Dataset, refused: boolean): Readonly<Record<string, number>> {
  if (options.clean === true) return {}
  const kinds = dirtOf[dataset].filter((dirt) => dirt.refused === refused)
  const rules = [...new Set(kinds.map((dirt) => dirt.rule))]
  return Object.fromEntries(
    rules.map((rule) => [rule, sumDirt(options, dataset, (dirt) => dirt.refused === refused && dirt.rule === rule)]),
  )
}

/** Rows refused in pass one, by dataset and rule. Known by construction: nothing is generated. */
export function expectedRejections(options: CityOptions): Readonly<Record<Dataset, Readonly<Record<string, number>>>> {
  return byDataset((dataset) => tallyRules(options, dataset, true))
}

/** Rows accepted with a warning in pass one, by dataset and rule. */
export function expectedWarnings(options: CityOptions): Readonly<Record<Dataset, Readonly<Record<string, number>>>> {
  return byDataset((dataset) => tallyRules(options, dataset, false))
}

/** Rows each source offers in pass one, dirty ones and repeated ones too. */
export function sourceCounts(options: CityOptions): Readonly<Record<Dataset, number>> {
  const city = planCity(options)
  return byDataset((dataset) => planChanges(city, dataset).goods + sumDirt(options, dataset, () => true))
}

/** What pass two inserts, updates and deletes, by dataset. */
export function expectedSecond(options: CityOptions): Readonly<Record<Dataset, SecondPass>> {
  const city = planCity(options)
  return byDataset((dataset) => {
    const { inserted, updated, deleted } = planChanges(city, dataset)
    return { inserted, updated: updated.length, deleted: deleted.length }
  })
}

/** Live records after a pass, by dataset: the good rows and those accepted with a warning. */
export function expectedLive(options: CityOptions, pass: Pass): Readonly<Record<Dataset, number>> {
  const city = planCity(options)
  return byDataset((dataset) => {
    const { goods, inserted, deleted } = planChanges(city, dataset)
    const first = goods + sumDirt(options, dataset, (dirt) => !dirt.refused)
    return pass === 1 ? first : first + inserted - deleted.length
  })
}
