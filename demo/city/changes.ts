import { ADDRESSES_PER_BUILDING, HOUSES_PER_BUILDING, PEOPLE_PER_BUILDING } from './options.ts'
import type { City } from './options.ts'
import { houseOfPerson } from './people.ts'

/** What pass two does to what one feed hands out, by the index of its good rows. */
export interface Changes {
  /** Good rows of pass one. */
  readonly goods: number
  /** Good rows that are new in pass two: numbered from `firstInserted`. */
  readonly inserted: number
  readonly firstInserted: number
  readonly isUpdated: (index: number) => boolean
  readonly isDeleted: (index: number) => boolean
  /** The updated and the deleted indices in rising order, without walking through the rows. */
  readonly updated: readonly number[]
  readonly deleted: readonly number[]
}

/** Every 500th house is pulled down: odd, so a household of two; its people, its address and its register row go too. */
const DEMOLISHED = { every: 500, at: 413 } as const

const isDemolished = (house: number): boolean => house % DEMOLISHED.every === DEMOLISHED.at

/** The numbers at, at + every, at + 2 every … below `end`. */
function stepsBelow(end: number, { every, at }: { readonly every: number; readonly at: number }): readonly number[] {
  return Array.from({ length: Math.max(0, Math.ceil((end - at) / every)) }, (_, step) => at + step * every)
}

/** People of houses that are pulled down go, people of new buildings come, others change their phone. */
export function residentChanges(city: City): Changes {
  const houses = stepsBelow(city.buildings * HOUSES_PER_BUILDING, DEMOLISHED)
  const people = houses.flatMap((house) => [((house - 1) / 2) * 5 + 3, ((house - 1) / 2) * 5 + 4])
  return {
    goods: city.residents,
    firstInserted: city.buildings * PEOPLE_PER_BUILDING,
    inserted: city.newBuildings * PEOPLE_PER_BUILDING,
    isUpdated: (index) => index % 100 === 7,
    isDeleted: (index) => isDemolished(houseOfPerson(index)),
    updated: stepsBelow(city.residents, { every: 100, at: 7 }),
    deleted: people.filter((index) => index < city.residents),
  }
}

/** Houses that are pulled down, that are new, that are let. */
export function housingChanges(city: City): Changes {
  const goods = city.buildings * HOUSES_PER_BUILDING
  return {
    goods,
    firstInserted: goods,
    inserted: city.newBuildings * HOUSES_PER_BUILDING,
    isUpdated: (index) => index % 100 === 6,
    isDeleted: isDemolished,
    updated: stepsBelow(goods, { every: 100, at: 6 }),
    deleted: stepsBelow(goods, DEMOLISHED),
  }
}

// Address 0 of a building is its doorplate, 1 to 8 are its rooms.
const houseOfAddress = (index: number): number =>
  Math.floor(index / ADDRESSES_PER_BUILDING) * HOUSES_PER_BUILDING + (index % ADDRESSES_PER_BUILDING) - 1

const addressOfHouse = (house: number): number =>
  Math.floor(house / HOUSES_PER_BUILDING) * ADDRESSES_PER_BUILDING + 1 + (house % HOUSES_PER_BUILDING)

const RENUMBERED = { every: 11 * ADDRESSES_PER_BUILDING, at: 5 * ADDRESSES_PER_BUILDING } as const

/** Addresses of houses that are pulled down go, doorplates are renamed, new buildings have new ones. */
export function addressChanges(city: City): Changes {
  const goods = city.buildings * ADDRESSES_PER_BUILDING
  return {
    goods,
    firstInserted: goods,
    inserted: city.newBuildings * ADDRESSES_PER_BUILDING,
    isUpdated: (index) => index % RENUMBERED.every === RENUMBERED.at,
    isDeleted: (index) => index % ADDRESSES_PER_BUILDING !== 0 && isDemolished(houseOfAddress(index)),
    updated: stepsBelow(goods, RENUMBERED),
    deleted: stepsBelow(city.buildings * HOUSES_PER_BUILDING, DEMOLISHED).map(addressOfHouse),
  }
}

/** About 1 % updated, 0.2 % new, 0.2 % gone of a list whose rows come and go apart from those of others. */
export function regularChanges(goods: number): Changes {
  return {
    goods,
    firstInserted: goods,
    inserted: Math.max(1, Math.round(goods / 500)),
    isUpdated: (index) => index % 100 === 7,
    isDeleted: (index) => index % 500 === 13,
    updated: stepsBelow(goods, { every: 100, at: 7 }),
    deleted: stepsBelow(goods, { every: 500, at: 13 }),
  }
}

/** Below ten grids one that goes would be more than the delete guard of the feed allows. */
const GRIDS_TO_LOSE_ONE = 10

/** Grids get another worker; the last one goes where there are enough. */
export function gridChanges(city: City): Changes {
  const goods = city.grids + city.exclusiveGrids
  const last = goods >= GRIDS_TO_LOSE_ONE ? goods - 1 : -1
  const updated = stepsBelow(goods, { every: 20, at: 7 }).filter((index) => index !== last)
  return {
    goods,
    firstInserted: goods,
    inserted: 1,
    isUpdated: (index) => updated.includes(index),
    isDeleted: (index) => index === last,
    updated,
    deleted: last === -1 ? [] : [last],
  }
}
