/** What a synthetic city is made from. The same options give the same city, on any machine, at any time. */
export interface CityOptions {
  readonly residents: number
  readonly seed: number
  /** True plants no dirty rows: the source of the benches. */
  readonly clean?: boolean
}

/** The datasets of the demo, in the words of `schemas/`. */
export const datasets = [
  'resident',
  'housing',
  'entity',
  'address',
  'grid',
  'person-status',
  'life-event',
  'site',
  'matter',
  'organisation-licence',
] as const
export type Dataset = (typeof datasets)[number]

/** Pass one is the city as first seen; pass two is the same city after its people moved, married and built. */
export type Pass = 1 | 2

/** How many of each thing the city has, by construction and not by counting. */
export interface City {
  readonly seed: number
  readonly residents: number
  readonly clean: boolean
  /** One building holds 8 houses, which hold 20 people: 2.5 people to a house. */
  readonly buildings: number
  /** Buildings that are new in pass two. */
  readonly newBuildings: number
  /** Comprehensive grids (综合网格), about 900 people each. */
  readonly grids: number
  /** Exclusive grids (专属网格), in which nobody lives. */
  readonly exclusiveGrids: number
  readonly entities: number
}

export const HOUSES_PER_BUILDING = 8
export const PEOPLE_PER_BUILDING = 20
export const ADDRESSES_PER_BUILDING = HOUSES_PER_BUILDING + 1
/** 45 buildings are 360 households: within the 300 to 500 that GB/T 34300 practice gives an urban grid. */
export const BUILDINGS_PER_GRID = 45

/** The city of the options. */
export function planCity(options: CityOptions): City {
  if (!Number.isSafeInteger(options.residents) || options.residents < 20)
    throw new RangeError('residents: a whole number of at least 20 is wanted')
  if (!Number.isSafeInteger(options.seed)) throw new RangeError('seed: a whole number is wanted')
  const buildings = Math.ceil(options.residents / PEOPLE_PER_BUILDING)
  const grids = Math.ceil(buildings / BUILDINGS_PER_GRID)
  return {
    seed: options.seed,
    residents: options.residents,
    clean: options.clean ?? false,
    buildings,
    newBuildings: Math.max(1, Math.round(buildings / 500)),
    grids,
    exclusiveGrids: Math.max(2, Math.round(grids / 10)),
    entities: Math.max(1, Math.round(options.residents * 0.075)),
  }
}
