import { entityName, entityUscc } from './entity-source.ts'
import { houseAt } from './houses.ts'
import type { RowRequest, SourceFields } from './layout.ts'
import type { City } from './options.ts'
import { ownerOfHouse, personAt } from './people.ts'
import { drawBelow, drawChance, drawFrom } from './random.ts'

const STREAM = { area: 501, rental: 502, structure: 503, hazard: 504, remark: 505 } as const
const CERTIFICATE_KINDS = { '111': '身份证', HMT_RP: '港澳台居住证', '553': '永居证' } as const
const STRUCTURES = ['钢混', '混合', '砖木', '钢', '其他'] as const
const REMARKS = ['外墙渗水，已报物业', '住户反映电梯年检到期', '一楼楼道堆放杂物'] as const
/** One house in fifty belongs to a unit. */
const UNIT_OWNED_EVERY = 50

function ownerFields(city: City, house: number): SourceFields {
  if (house % UNIT_OWNED_EVERY === UNIT_OWNED_EVERY - 1) {
    const entity = house % city.entities
    return {
      cqrlx: '2',
      cqrzjlx: null,
      cqrzjhm: null,
      cqrmc: entityName(city, entity),
      cqrdh: null,
      cqrxydm: entityUscc(entity),
    }
  }
  const owner = personAt(city, ownerOfHouse(house))
  return {
    cqrlx: '1',
    cqrzjlx: CERTIFICATE_KINDS[owner.certType],
    cqrzjhm: owner.certNumber,
    cqrmc: owner.name,
    cqrdh: owner.phone,
    cqrxydm: null,
  }
}

function useFields(city: City, identity: number, revision: number): SourceFields {
  const rented = drawChance(city.seed, STREAM.rental, identity, 5) !== (revision === 1)
  return {
    sfcz: rented ? '是' : '否',
    czyt: rented ? '02' : null,
    fwzt: rented ? '出租' : '自住',
    yhlx: drawChance(city.seed, STREAM.hazard, identity, 30) ? '02' : '00',
  }
}

/** One row of the house register: house `identity`, standing where house `location` stands. All columns are text. */
export function housingRow({ city, identity, location, revision }: RowRequest): SourceFields {
  const house = houseAt(city, location)
  const own = identity === location ? house : houseAt(city, identity)
  const area = 4000 + drawBelow(city.seed, STREAM.area, identity, 11_000)
  return {
    fwbsm: `FW${String(identity).padStart(10, '0')}`,
    fwbh: own.houseId,
    bdcdyh: own.realEstateUnitNo,
    dzbm: house.addressCode,
    fwdz: house.fullAddress,
    wgbm: house.building.gridCode,
    lzmc: `${house.building.compound}${house.building.name}`,
    lc: String(house.floor),
    fh: house.room,
    yt: '10',
    jg: drawFrom(city.seed, STREAM.structure, identity, STRUCTURES),
    mj: (area / 100).toFixed(2),
    ...useFields(city, identity, revision),
    ...ownerFields(city, identity),
    jd: house.building.lon.toFixed(5),
    wd: house.building.lat.toFixed(5),
    bz: drawChance(city.seed, STREAM.remark, identity, 20)
      ? drawFrom(city.seed, STREAM.remark, identity, REMARKS)
      : null,
    scbz: 'U',
  }
}
