import type { Dirt, SourceFields } from './layout.ts'
import type { Person } from './people.ts'
import {
  PLACEHOLDERS,
  breakOrganisationCheck,
  breakUsccCheck,
  certificateDirt,
  jsonDirt,
  moveToUnknownTown,
  permitNumber,
  refuse,
  take,
  warn,
} from './spoil.ts'

/** What a source can hold: JSON any value, a table and a file text only, a file also the same row twice. */
export type Medium = 'json' | 'table' | 'file'

/** Kinds that depend on what the source can hold; `text` is a column of plain text. */
function mediumDirt(medium: Medium, text: string): readonly Dirt[] {
  const kinds: Readonly<Record<Medium, readonly Dirt[]>> = {
    json: jsonDirt(text),
    table: [],
    file: [{ rule: 'DQ-070', refused: true, share: 2, repeats: true, spoil: (row) => row }],
  }
  return kinds[medium]
}

/** A county code of the right form that Luzhou has never had. */
const UNKNOWN_COUNTY = '510523'

const idHoldsNumber = refuse('DQ-003', (_row, { stranger }) => ({ id: stranger.certNumber }))
const unknownTown = refuse('DQ-030', ({ grid }) => ({ grid: moveToUnknownTown(grid) }))
const unknownCounty = refuse('DQ-030', () => ({ county: UNKNOWN_COUNTY }))
const noGrid = refuse('DQ-032', () => ({ grid: null }))
const unknownKind = refuse('DQ-040', () => ({ kind: '未列明' }))
const placeholder = (column: string): Dirt =>
  refuse('DQ-001', (_row, { turn }) => ({ [column]: take(turn, PLACEHOLDERS) }))
const brokenUnit = refuse('DQ-020', ({ uscc }) => ({ uscc: breakUsccCheck(String(uscc)) }))
const oldUnit = warn('DQ-021', ({ uscc }) => ({ uscc: breakOrganisationCheck(String(uscc)) }))

const holder = (certNumber: string, { name }: Person): SourceFields => ({ certType: '居民身份证', certNumber, name })

export const statusDirt = (medium: Medium): readonly Dirt[] => [
  placeholder('name'),
  idHoldsNumber,
  ...mediumDirt(medium, 'name'),
  ...certificateDirt(holder),
  unknownCounty,
  unknownKind,
  warn('DQ-016', (_row, { stranger, turn }) => holder(permitNumber(turn + 200), stranger)),
  warn('DQ-060', () => ({ from: '2025-06-01', to: '2025-05-01' })),
]

export const siteDirt = (medium: Medium): readonly Dirt[] => [
  placeholder('name'),
  idHoldsNumber,
  ...mediumDirt(medium, 'address'),
  brokenUnit,
  unknownTown,
  noGrid,
  unknownKind,
  oldUnit,
  warn('DQ-033', () => ({ lon: 116.39, lat: 39.91 })),
  warn('DQ-040', () => ({ level: '待评估' })),
]

export const matterDirt = (medium: Medium): readonly Dirt[] => [
  placeholder('number'),
  idHoldsNumber,
  ...mediumDirt(medium, 'unit'),
  refuse('DQ-005', () => ({ received: '二〇二五年一月' })),
  unknownCounty,
  refuse('DQ-040', () => ({ topic: '未列明' })),
  warn('DQ-060', () => ({ received: '2025-06-01', deadline: '2025-05-01', closed: null })),
  warn('DQ-090', ({ place }, { stranger }) => ({ place: `${String(place)}，联系${stranger.phone}` })),
  // The place of a case must not tell who lives there.
  warn('DQ-091', ({ place }) => ({ place: `${String(place)}社区矫正对象住处` })),
]

export const licenceDirt = (medium: Medium): readonly Dirt[] => [
  placeholder('unit'),
  idHoldsNumber,
  ...mediumDirt(medium, 'unit'),
  brokenUnit,
  unknownTown,
  unknownKind,
  oldUnit,
  warn('DQ-060', () => ({ from: '2025-06-01', to: '2025-05-01' })),
]

const isoDay = (digits: string): string => `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}`

function deceased(certNumber: string, person: Person): SourceFields {
  const sex = person.sex === '1' ? '男' : '女'
  return { ...holder(certNumber, person), kind: '死亡', sex, birth: isoDay(person.birthDigits) }
}

export const eventDirt = (medium: Medium): readonly Dirt[] => [
  placeholder('birth'),
  idHoldsNumber,
  ...mediumDirt(medium, 'name'),
  ...certificateDirt(deceased),
  unknownCounty,
  unknownKind,
  warn('DQ-015', (_row, { stranger }) => ({ ...deceased(stranger.certNumber, stranger), birth: '1935-06-07' })),
  warn('DQ-060', () => ({ date: '2099-12-31' })),
]
