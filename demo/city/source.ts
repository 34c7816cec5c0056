import { addressRow } from './address-source.ts'
import { planChanges } from './changes.ts'
import { addressDirt, entityDirt, gridDirt, housingDirt, residentDirt } from './dirt.ts'
import { entityRow } from './entity-source.ts'
import { gridRow } from './grid-source.ts'
import { housingRow } from './housing-source.ts'
import { layRows } from './layout.ts'
import type { Dirt, Layout, Place, SourceFields } from './layout.ts'
import { planCity } from './options.ts'
import type { City, CityOptions, Dataset } from './options.ts'
import type { Changes } from './changes.ts'
import { personAt } from './people.ts'
import { residentRow } from './resident-source.ts'

/** Which row a department makes: who or what it is about, where that stands, and how often it was changed. */
export interface RowRequest {
  readonly city: City
  readonly identity: number
  readonly location: number
  /** 0 as first seen, 1 as changed in pass two. */
  readonly revision: 0 | 1
}

/** One dataset as its department holds it: any row at once, in constant memory. */
export interface CitySource {
  readonly city: City
  readonly layout: Layout
  readonly changes: Changes
  /** The row at a position of pass one, good or dirty. Dirty rows need not be objects. */
  readonly rowAt: (position: number) => unknown
  /** A good row by its index: inserted rows count from `changes.firstInserted`. */
  readonly goodRow: (index: number, revision: 0 | 1) => SourceFields
}

const makers: Readonly<Record<Dataset, (request: RowRequest) => SourceFields>> = {
  resident: residentRow,
  housing: housingRow,
  entity: entityRow,
  address: addressRow,
  grid: gridRow,
}

/** The kinds of dirt of each dataset. */
export const dirtOf: Readonly<Record<Dataset, readonly Dirt[]>> = {
  resident: residentDirt,
  housing: housingDirt,
  entity: entityDirt,
  address: addressDirt,
  grid: gridDirt,
}

/** Strangers are multiples of five far above any resident: heads of household with a citizen number. */
const STRANGERS_FROM = 40_000_000

/** Opens one dataset of the city of the options. */
export function openCitySource(options: CityOptions, dataset: Dataset): CitySource {
  const city = planCity(options)
  const changes = planChanges(city, dataset)
  const layout = layRows(city.clean ? [] : dirtOf[dataset], city.residents, changes.goods)
  const firstDirty = changes.firstInserted + changes.inserted
  const make = makers[dataset]

  const goodRow = (index: number, revision: 0 | 1): SourceFields =>
    make({ city, identity: index, location: index, revision })

  function dirtyRow(place: Extract<Place, { kind: 'dirty' }>): unknown {
    const identity = place.dirt.repeats === true ? place.beside : firstDirty + place.number
    const row = make({ city, identity, location: place.beside, revision: 0 })
    const stranger = personAt(city, STRANGERS_FROM + place.number * 5)
    return place.dirt.spoil(row, { turn: place.turn, stranger })
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
