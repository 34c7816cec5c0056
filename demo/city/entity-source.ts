import { usccOf } from './certificates.ts'
import { buildingAt } from './geography.ts'
import type { RowRequest, SourceFields } from './layout.ts'
import type { City } from './options.ts'
import { personAt } from './people.ts'
import type { Person } from './people.ts'
import { drawBelow, drawChance, drawFrom, takeAt } from './random.ts'

const STREAM = { word: 601, trade: 602, established: 603, employees: 604, places: 605 } as const

interface Kind {
  readonly category: string
  readonly label: string
  readonly organisation: string
  readonly suffix: string
}

const INDIVIDUAL: Kind = { category: '92', label: '个体工商户', organisation: '17', suffix: '便利店' }
const ENTERPRISE: Kind = { category: '91', label: '企业', organisation: '11', suffix: '商贸有限公司' }
const OTHERS: readonly Kind[] = [
  { category: '93', label: '农民专业合作社', organisation: '19', suffix: '种植专业合作社' },
  { category: '52', label: '民办非企业单位', organisation: '91', suffix: '养老服务中心' },
  { category: '12', label: '事业单位', organisation: '51', suffix: '服务站' },
  { category: '51', label: '社会团体', organisation: '71', suffix: '商会' },
]
const WORDS = ['沱江', '长江', '桂圆', '枇杷', '忠山', '酒城', '百子', '龙涧'] as const
const INDUSTRIES = ['5211', '6210', '1512', '8010', '7840'] as const

// Of ten entities six are individual businesses and three are enterprises, as in a county register.
function kindOf(index: number): Kind {
  const place = index % 10
  if (place < 6) return INDIVIDUAL
  return place < 9 ? ENTERPRISE : takeAt(OTHERS, Math.floor(index / 10) % OTHERS.length)
}

/** The credit code of entity number `index`. */
export function entityUscc(index: number): string {
  return usccOf(kindOf(index).category, index)
}

// Owners are residents, spread by a stride; an individual business often bears its owner's name.
function representativeOf(city: City, index: number): Person {
  return personAt(city, (index * 13) % city.residents)
}

/** The registered name of entity number `index`. */
export function entityName(city: City, index: number): string {
  const kind = kindOf(index)
  const word = drawFrom(city.seed, STREAM.word, index, WORDS)
  return kind === INDIVIDUAL
    ? `泸州市${word}${representativeOf(city, index).name}${kind.suffix}`
    : `泸州市${word}样例${index}${kind.suffix}`
}

function peopleFields(city: City, identity: number, revision: number): SourceFields {
  const person = representativeOf(city, identity)
  return {
    fddbr: person.name,
    fddbrzjhm: person.certNumber,
    lxr: person.name,
    lxdh: person.phone,
    cyrs: String(1 + drawBelow(city.seed, STREAM.employees, identity, 40) + revision * 100),
  }
}

/** One line of the business register: entity `identity` at the doorplate of the building of `location`. All text. */
export function entityRow({ city, identity, location, revision }: RowRequest): SourceFields {
  const kind = kindOf(identity)
  const building = buildingAt(city, Math.floor((location * city.buildings) / city.entities))
  const year = 2000 + drawBelow(city.seed, STREAM.established, identity, 25)
  return {
    ztbh: `SC${String(identity).padStart(10, '0')}`,
    tyshxydm: entityUscc(identity),
    mc: entityName(city, identity),
    lx: kind.label,
    jglx: kind.organisation,
    hydm: drawFrom(city.seed, STREAM.trade, identity, INDUSTRIES),
    djzt: '存续',
    clrq: `${year}/0${1 + (identity % 9)}/1${identity % 9}`,
    zs: building.fullAddress,
    jydzbm: building.addressCode,
    wgbm: building.gridCode,
    ...peopleFields(city, identity, revision),
    jyfw: '日用百货零售；样例经营范围，以登记为准',
    sfjx: drawChance(city.seed, STREAM.places, identity, 4) ? '1' : '0',
    djjg: `${building.community.countyName}市场监督管理局`,
  }
}

/** The columns of the file, in order. */
export const entityColumns = [
  'ztbh',
  'tyshxydm',
  'mc',
  'lx',
  'jglx',
  'hydm',
  'djzt',
  'clrq',
  'zs',
  'jydzbm',
  'wgbm',
  'fddbr',
  'fddbrzjhm',
  'lxr',
  'lxdh',
  'cyrs',
  'jyfw',
  'sfjx',
  'djjg',
] as const
