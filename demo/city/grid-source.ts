import { communityOfGrid, gridCodeAt } from './geography.ts'
import type { RowRequest, SourceFields } from './layout.ts'
import { entityUscc } from './entity-source.ts'
import { BUILDINGS_PER_GRID, HOUSES_PER_BUILDING, PEOPLE_PER_BUILDING } from './options.ts'
import type { City } from './options.ts'
import { personName } from './names.ts'
import { phoneOf } from './people.ts'
import { drawFrom } from './random.ts'

const STREAM = { exclusive: 701 } as const
const EXCLUSIVE_TYPES = ['长江生态', '酒文化遗产', '车站商圈', '园区学校医院'] as const
/** Grid workers are numbered apart from the residents. */
const MANAGERS_FROM = 9_000_000

function peopleCount(city: City, grid: number): number {
  const first = grid * BUILDINGS_PER_GRID
  const end = grid === city.grids - 1 ? city.buildings : first + BUILDINGS_PER_GRID
  return Math.max(0, Math.min(end * PEOPLE_PER_BUILDING, city.residents) - first * PEOPLE_PER_BUILDING)
}

function kindFields(city: City, grid: number): SourceFields {
  if (grid >= city.grids)
    return {
      wglb: '专属',
      zslx: drawFrom(city.seed, STREAM.exclusive, grid, EXCLUSIVE_TYPES),
      hs: 0,
      rs: 0,
      szdw: entityUscc(6 + 10 * (grid % Math.max(1, Math.floor(city.entities / 10)))),
    }
  const people = peopleCount(city, grid)
  return {
    wglb: '综合',
    zslx: null,
    hs: Math.ceil((people * HOUSES_PER_BUILDING) / PEOPLE_PER_BUILDING),
    rs: people,
    szdw: null,
  }
}

/** One row of the grid list: grid `identity`; a number other than `location` is a grid of its own in that community. */
export function gridRow({ city, identity, location, revision }: RowRequest): SourceFields {
  const community = communityOfGrid(city, location)
  const own = identity === location
  const code = own ? gridCodeAt(city, identity) : community.code + String(500 + (identity % 400)).padStart(3, '0')
  const manager = MANAGERS_FROM + identity + revision * 500_000
  return {
    wgid: `WG${String(identity).padStart(10, '0')}`,
    wgbm: code,
    wgmc: `${community.townName}${community.name}第${identity + 1}网格`,
    cxsx: community.settlement === 'URBAN' ? '城镇' : '农村',
    sqdm: community.code,
    ...kindFields(city, location),
    wgy: personName(city.seed, manager),
    wgydh: phoneOf(manager),
    wgylb: identity % 3 === 0 ? '兼职' : '专职',
    jddh: '0830-0000000',
    bazt: revision === 0 ? '已备案' : '变更中',
    qyrq: '2024-10-01',
    sxrq: null,
  }
}
