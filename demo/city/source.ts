import type { Changes } from './changes.ts'
import { feedPlans } from './feeds.ts'
import type { FeedCode } from './feeds.ts'
import { layRows } from './layout.ts'
import type { Layout, Place, SourceFields } from './layout.ts'
import { planCity } from './options.ts'
import type { City, CityOptions } from './options.ts'
import { personAt } from './people.ts'

/** What one feed hands out as its department holds it: any row at once, in constant memory. */
export interface CitySource {
  readonly city: City
  readonly layout: Layout
  readonly changes: Changes
  /** The row at a position of pass one, good or dirty. Dirty rows need not be objects. */
  readonly rowAt: (position: number) => unknown
  /** A good row by its index: inserted rows count from `changes.firstInserted`. */
  readonly goodRow: (index: number, revision: 0 | 1) => SourceFields
}

/** Strangers are multiples of five far above any resident: heads of household with a citizen number. */
const STRANGERS_FROM = 40_000_000

/** Opens what one feed hands out in the city of the options. */
export function openCitySource(options: CityOptions, feed: FeedCode): CitySource {
  const city = planCity(options)
  const { plan, row, dirt } = feedPlans[feed]
  const changes = plan(city)
  const layout = layRows(city.clean ? [] : dirt, city.residents, changes.goods)
  const firstDirty = changes.firstInserted + changes.inserted

  const goodRow = (index: number, revision: 0 | 1): SourceFields =>
    row({ city, identity: index, location: index, revision })

  function dirtyRow(place: Extract<Place, { kind: 'dirty' }>): unknown {
    const identity = place.dirt.repeats === true ? place.beside : firstDirty + place.number
    const good = row({ city, identity, location: place.beside, revision: 0 })
    const stranger = personAt(city, STRANGERS_FROM + place.number * 5)
    return place.dirt.spoil(good, { turn: place.turn, stranger })
  }

  return {
    city,
    layout,
    changes,
    goodRow,
    rowAt: (position) => {
      const place = layout.placeAt(position)
      return place.kind === 'good' ? goodRow(place.index, 0) : dirtyRow(place)
    },
  }
}
