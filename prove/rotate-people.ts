import { randomBytes } from 'node:crypto'
import type { Feed } from '../src/store/feeds.ts'
import { createResidentRow } from '../test/feeds/sample-manifest.ts'
import { numberOf } from '../test/support/exports.ts'
import type { TestInstallation } from '../test/support/installation.ts'
import { storeRows } from '../test/support/ledger.ts'
import type { Canary, CanaryBook, CanaryPerson } from './taint-canaries.ts'

type Row = Readonly<Record<string, unknown>>

/** What a reader has to be given of a record: the clear values of each version, the first at place 0. */
export interface Expected {
  readonly certNumber: string
  readonly names: string[]
}

/** What is stored, by the id that consumers see. */
export type Town = Map<string, Expected>

const PAGE = 2000
const HAN = 0x4e00
const LETTERS = 450

/** A name that says its number, so that one given for another is seen. */
export const nameOf = (family: string, number: number): string =>
  family + String.fromCodePoint(HAN + (Math.floor(number / LETTERS) % LETTERS), HAN + (number % LETTERS))

export const residentOf = (index: number, name: string): Row => {
  const number = numberOf(index)
  const sex = Number(number.at(16)) % 2 === 1 ? '男' : '女'
  return createResidentRow({ id: `R-${index}`, zjhm: number, csrq: number.slice(6, 14), xb: sex, xm: name })
}

const canaryRow = (person: CanaryPerson): Row =>
  createResidentRow({
    id: `C-${person.number}`,
    zjhm: person.certNumber,
    csrq: person.birth,
    xb: person.sex === '1' ? '男' : '女',
    xm: person.name,
    dz: person.residenceAddress,
    lxfs: person.phone,
  })

/** A row that is refused and rests sealed whole. */
const refusedRow = (person: CanaryPerson): Row => ({ ...canaryRow(person), xb: '不详' })

/** Fills the store: residents, canaries among them, and canaries whose rows are refused. Returns what readers have to be given. */
export async function fillTown(
  installation: TestInstallation,
  feed: Feed,
  book: CanaryBook,
  { records, canaries }: { readonly records: number; readonly canaries: number },
): Promise<Town> {
  const town: Town = new Map()
  const people = Array.from({ length: canaries }, () => book.take())
  const isRefused = ({ number }: CanaryPerson): boolean => number % 10 === 0
  for (const person of people.filter((one) => !isRefused(one)))
    town.set(`${feed.code}/C-${person.number}`, { certNumber: person.certNumber, names: [person.name] })
  const canaryRows = people.map((person) => (isRefused(person) ? refusedRow(person) : canaryRow(person)))
  for (let first = 0; first < canaryRows.length; first += PAGE)
    await storeRows(installation, feed, canaryRows.slice(first, first + PAGE))
  for (let first = 1; first <= records - canaries; first += PAGE) {
    const last = Math.min(records - canaries, first + PAGE - 1)
    const indexes = Array.from({ length: last - first + 1 }, (_, place) => first + place)
    for (const index of indexes)
      town.set(`${feed.code}/R-${index}`, { certNumber: numberOf(index), names: [nameOf('张', index)] })
    await storeRows(
      installation,
      feed,
      indexes.map((index) => residentOf(index, nameOf('张', index))),
    )
  }
  return town
}

/** A key-encryption key as a file holds it. */
export const makeKek = (): string => randomBytes(32).toString('base64')

/** What must be in no copy of the database beside the people: secrets of consumers, and the keys that open the data keys. */
export const secretsAsCanaries = (secrets: Readonly<Record<string, string>>): readonly Canary[] =>
  Object.entries(secrets).map(([field, value]) => ({ field, value }))
