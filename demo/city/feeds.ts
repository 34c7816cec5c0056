import { addressRow } from './address-source.ts'
import { addressChanges, gridChanges, housingChanges, regularChanges, residentChanges } from './changes.ts'
import type { Changes } from './changes.ts'
import { addressDirt, entityDirt, gridDirt, housingDirt, residentDirt } from './dirt.ts'
import { entityRow } from './entity-source.ts'
import { gridRow } from './grid-source.ts'
import { housingRow } from './housing-source.ts'
import type { Dirt, RowRequest, SourceFields } from './layout.ts'
import type { City, Dataset } from './options.ts'
import { countRows, dirtOfRegister, rowsOfRegister } from './register.ts'
import type { Register } from './register.ts'
import { registers } from './registers.ts'
import { residentRow } from './resident-source.ts'

/** What one feed hands out: which dataset it fills, how its rows are made and spoilt, and what pass two does to them. */
export interface FeedPlan {
  readonly dataset: Dataset
  readonly plan: (city: City) => Changes
  readonly row: (request: RowRequest) => SourceFields
  readonly dirt: readonly Dirt[]
}

const baseFeeds = {
  'LZ-GA-RK-001': { dataset: 'resident', plan: residentChanges, row: residentRow, dirt: residentDirt },
  'LZ-ZR-FW-001': { dataset: 'housing', plan: housingChanges, row: housingRow, dirt: housingDirt },
  'LZ-SC-DW-001': {
    dataset: 'entity',
    plan: ({ entities }) => regularChanges(entities),
    row: entityRow,
    dirt: entityDirt,
  },
  'LZ-MZ-DZ-001': { dataset: 'address', plan: addressChanges, row: addressRow, dirt: addressDirt },
  'LZ-MZ-WG-001': { dataset: 'grid', plan: gridChanges, row: gridRow, dirt: gridDirt },
} as const satisfies Readonly<Record<string, FeedPlan>>

export type FeedCode = keyof typeof baseFeeds | keyof typeof registers

function planRegister(register: Register): FeedPlan {
  return {
    dataset: register.dataset,
    plan: (city) => regularChanges(countRows(city, register.share)),
    row: rowsOfRegister(register),
    dirt: dirtOfRegister(register),
  }
}

const registerFeeds = Object.entries(registers).map(([code, register]) => [code, planRegister(register)] as const)

/** Every feed of the demo by its code. */
export const feedPlans = { ...baseFeeds, ...Object.fromEntries(registerFeeds) } as Readonly<Record<FeedCode, FeedPlan>>

export const feedCodes = Object.keys(feedPlans) as readonly FeedCode[]
