import { readFileSync } from 'node:fs'
import { BUILDINGS_PER_GRID } from './options.ts'
import type { City } from './options.ts'
import { drawBelow, drawFrom, takeAt } from './random.ts'

/** One community (社区 or 村) of a real town. The community itself is made up: the public list ends at towns. */
export interface Community {
  readonly code: string
  readonly name: string
  readonly townCode: string
  readonly townName: string
  readonly countyCode: string
  readonly countyName: string
  readonly settlement: 'URBAN' | 'RURAL'
}

/** One building with the texts of its standard address. */
export interface Building {
  readonly community: Community
  readonly gridCode: string
  readonly addressCode: string
  readonly street: string
  readonly streetNo: string
  readonly compound: string
  readonly name: string
  /** Province to building, without unit and room. */
  readonly fullAddress: string
  readonly realEstateParcel: string
  readonly lon: number
  readonly lat: number
}

const GRIDS_PER_COMMUNITY = 4
/** Codes 001 to 199 are residents' committees, 200 to 399 villages. */
const COMMUNITIES_PER_TOWN = 198
// 53 has no factor in common with the 126 towns of Luzhou, so all towns are used before one is used twice.
const TOWN_STRIDE = 53
const STREAM = { name: 201, street: 202, number: 203, compound: 204, lon: 205, lat: 206 } as const
const COMMUNITY_NAMES = [
  '春晖',
  '和平',
  '枇杷沟',
  '澄溪',
  '学堂湾',
  '石梁',
  '龙透',
  '桂圆林',
  '沙湾',
  '望江',
  '凤凰',
  '新民',
] as const
const STREETS = ['江阳', '酒城', '忠山', '百子图', '大山坪', '龙涧', '蜀泸', '康城', '星光', '丹艳'] as const
const COMPOUNDS = [
  '锦绣小区',
  '江畔花园小区',
  '柏木大院',
  '佳乐小区',
  '滨江小区',
  '香林苑',
  '状元小区',
  '翡翠苑',
] as const

interface DivisionTable {
  readonly codes: Readonly<Record<string, string>>
}

function readDivisions(): DivisionTable {
  const file = new URL('../../schemas/codes/divisions.json', import.meta.url)
  const table: DivisionTable = JSON.parse(readFileSync(file, 'utf8'))
  return table
}

const divisions = readDivisions().codes
const towns = Object.keys(divisions)
  .filter((code) => /^5105\d{5}$/.test(code))
  .toSorted()

function divisionName(code: string): string {
  return divisions[code] ?? ''
}

/** Community number `index` of the city. */
function communityAt(city: City, index: number): Community {
  const round = Math.floor(index / towns.length)
  if (round >= COMMUNITIES_PER_TOWN)
    throw new RangeError('residents: the towns of the division table cannot hold so many')
  const place = (index * TOWN_STRIDE + (city.seed >>> 0)) % towns.length
  const townCode = takeAt(towns, place)
  const urban = townCode.charAt(6) === '0'
  const number = (urban ? 1 : 200) + round
  const name = `${drawFrom(city.seed, STREAM.name, index, COMMUNITY_NAMES)}${urban ? '社区' : '村'}`
  return {
    code: townCode + String(number).padStart(3, '0'),
    name,
    townCode,
    townName: divisionName(townCode),
    countyCode: townCode.slice(0, 6),
    countyName: divisionName(townCode.slice(0, 6)),
    settlement: urban ? 'URBAN' : 'RURAL',
  }
}

/** The comprehensive grid a building stands in; the buildings of pass two stand in the last one. */
function gridOfBuilding(city: City, building: number): number {
  return Math.min(Math.floor(building / BUILDINGS_PER_GRID), city.grids - 1)
}

/** The community a grid belongs to. Exclusive grids come after the comprehensive ones and lie over the first communities. */
export function communityOfGrid(city: City, grid: number): Community {
  const communities = Math.ceil(city.grids / GRIDS_PER_COMMUNITY)
  const index = grid < city.grids ? Math.floor(grid / GRIDS_PER_COMMUNITY) : (grid - city.grids) % communities
  return communityAt(city, index)
}

/** 15 digits: the community and three of its own; exclusive grids count from 901. */
export function gridCodeAt(city: City, grid: number): string {
  const communities = Math.ceil(city.grids / GRIDS_PER_COMMUNITY)
  const number =
    grid < city.grids ? (grid % GRIDS_PER_COMMUNITY) + 1 : 901 + Math.floor((grid - city.grids) / communities)
  return communityOfGrid(city, grid).code + String(number).padStart(3, '0')
}

/** Degrees with five decimals, about a metre, inside the box of Luzhou (lon 105.0–106.6, lat 27.5–29.5). */
function coordinate(low: number, steps: number): number {
  return Number((low + steps / 1e5).toFixed(5))
}

// Rows come in the order of their buildings, 20 people to one: remembering the last saves most of the work.
const lastBuildings = new WeakMap<City, { readonly index: number; readonly building: Building }>()

/** Building number `index` of the city, in a grid of its own community. */
export function buildingAt(city: City, index: number): Building {
  const last = lastBuildings.get(city)
  if (last?.index === index) return last.building
  const building = makeBuilding(city, index)
  lastBuildings.set(city, { index, building })
  return building
}

function makeBuilding(city: City, index: number): Building {
  const grid = gridOfBuilding(city, index)
  const community = communityOfGrid(city, grid)
  const street = `${drawFrom(city.seed, STREAM.street, grid, STREETS)}路`
  const streetNo = `${1 + drawBelow(city.seed, STREAM.number, grid, 200)}号`
  const compound = drawFrom(city.seed, STREAM.compound, grid, COMPOUNDS)
  const name = `${(index % BUILDINGS_PER_GRID) + 1}栋`
  const parcel = String((grid % 99_999) + 1).padStart(5, '0')
  return {
    community,
    gridCode: gridCodeAt(city, grid),
    addressCode: `${community.code}-B${String(index).padStart(7, '0')}`,
    street,
    streetNo,
    compound,
    name,
    fullAddress: `四川省泸州市${community.countyName}${community.townName}${community.name}${street}${streetNo}${compound}${name}`,
    realEstateParcel: `${community.townCode}${community.code.slice(9)}GB${parcel}F`,
    lon: coordinate(105.2, drawBelow(city.seed, STREAM.lon, index, 90_000)),
    lat: coordinate(28.0, drawBelow(city.seed, STREAM.lat, index, 120_000)),
  }
}

/** The six-digit county codes of Luzhou. */
export const countyCodes: readonly string[] = Object.keys(divisions).filter((code) => /^5105(?!00)\d{2}$/.test(code))
