import { buildingAt } from './geography.ts'
import type { Building } from './geography.ts'
import { houseAt } from './houses.ts'
import type { RowRequest, SourceFields } from './layout.ts'
import { ADDRESSES_PER_BUILDING, HOUSES_PER_BUILDING } from './options.ts'

function placeFields(building: Building): SourceFields {
  return {
    xqdm: building.community.countyCode,
    xzdm: building.community.townCode,
    sqdm: building.community.code,
    wgbm: building.gridCode,
    jlx: building.street,
    mph: building.streetNo,
    xqmc: building.compound,
    lz: building.name,
    jd: building.lon,
    wd: building.lat,
  }
}

function buildingFields(building: Building) {
  return {
    dzbm: building.addressCode,
    sjdzbm: null,
    cj: '5',
    dy: null,
    fh: null,
    xz: building.fullAddress,
    bdcdyh: null,
  }
}

/**
 * One row of the standard address list. Address 0 of a building is its doorplate, 1 to 8 are its rooms. An `identity`
 * other than the `location` is the code of an address of its own at the place of another.
 */
export function addressRow({ city, identity, location, revision }: RowRequest): SourceFields {
  const number = Math.floor(location / ADDRESSES_PER_BUILDING)
  const place = location % ADDRESSES_PER_BUILDING
  const building = buildingAt(city, number)
  const house = place === 0 ? null : houseAt(city, number * HOUSES_PER_BUILDING + place - 1)
  const own =
    house === null
      ? buildingFields(building)
      : {
          dzbm: house.addressCode,
          sjdzbm: building.addressCode,
          cj: '8',
          dy: house.unit,
          fh: house.room,
          xz: house.fullAddress,
          bdcdyh: house.realEstateUnitNo,
        }
  const code = identity === location ? own.dzbm : `${building.community.code}-X${String(identity).padStart(7, '0')}`
  return {
    dzid: `DZ${String(identity).padStart(10, '0')}`,
    bmgz: 'LZ',
    ...placeFields(building),
    ...own,
    dzbm: code,
    zbx: 'CGCS2000',
    zt: revision === 0 ? '正常' : '更名',
    qyrq: '2020-06-01',
    sxrq: null,
  }
}
