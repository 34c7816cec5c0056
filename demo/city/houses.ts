import { buildingAt } from './geography.ts'
import type { Building } from './geography.ts'
import { HOUSES_PER_BUILDING } from './options.ts'
import type { City } from './options.ts'

/** Where a house is: its building and its own part of the address. */
export interface House {
  readonly houseId: string
  readonly building: Building
  readonly addressCode: string
  readonly unit: string
  readonly floor: number
  readonly room: string
  readonly fullAddress: string
  readonly realEstateUnitNo: string
}

const ROOMS_PER_FLOOR = 2

/** House number `index` of the city. */
export function houseAt(city: City, index: number): House {
  const building = buildingAt(city, Math.floor(index / HOUSES_PER_BUILDING))
  const place = index % HOUSES_PER_BUILDING
  const floor = 1 + Math.floor(place / ROOMS_PER_FLOOR)
  const room = `${floor}0${1 + (place % ROOMS_PER_FLOOR)}`
  const house = String(Math.floor(index / HOUSES_PER_BUILDING) % 10_000).padStart(4, '0')
  return {
    houseId: houseIdAt(index),
    building,
    addressCode: `${building.addressCode}-R${room}`,
    unit: '1单元',
    floor,
    room,
    fullAddress: `${building.fullAddress}1单元${room}号`,
    realEstateUnitNo: `${building.realEstateParcel}${house}${String(place + 1).padStart(4, '0')}`,
  }
}

/** The number of a house in the house register. */
function houseIdAt(index: number): string {
  return `LZFW${String(index).padStart(9, '0')}`
}
