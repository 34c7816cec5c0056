import { birthDateOf } from '../../src/feeds/formats.ts'
import type { Manifest } from '../../src/feeds/manifest-types.ts'
import { projectPersons } from '../../src/ingest/project-persons.ts'
import { open } from '../../src/security/seal.ts'
import type { PersonConflict } from '../../src/store/person-conflicts.ts'
import { insertLinkDecision, type LinkVerdict } from '../../src/store/person-links.ts'
import type { Feed } from '../../src/store/feeds.ts'
import { createManifest, createResidentRow } from '../feeds/sample-manifest.ts'
import type { TestInstallation } from './installation.ts'
import { registerFeed, storeRows } from './ledger.ts'

/** Citizen numbers of nobody, born in 1900, but not on its first day, which is what systems write for an unknown date. */
export const numbers = ['510504190003120028', '510521190012310137', '510522190006150241'] as const

const eventMap: Manifest['map'] = [
  { to: '/eventKind', from: '/kind' },
  { to: '/eventDate', from: '/date' },
  { to: '/certType', from: '/zjlx' },
  { to: '/certNumber', from: '/zjhm' },
  { to: '/name', from: '/xm' },
  { to: '/sex', from: '/xb' },
  { to: '/birthDate', from: '/csrq' },
  { to: '/divisionCode', constant: '510502' },
]

/** A feed of residents of any department. */
function registerResidents(installation: TestInstallation, code: string, department: string): Promise<Feed> {
  return registerFeed(installation, code, { feed: { ...createManifest().feed, department } })
}

/** A feed of births and deaths of any department. */
function registerEvents(installation: TestInstallation, code: string, department: string): Promise<Feed> {
  return registerFeed(installation, code, {
    feed: { ...createManifest().feed, department, dataset: 'life-event' },
    map: eventMap,
  })
}

/** A row of such a feed; `change` replaces members. */
export function createDeathRow(change: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  const number = typeof change['zjhm'] === 'string' ? change['zjhm'] : numbers[0]
  return {
    id: 'D-1',
    gxsj: '2026-11-02 08:00:00',
    kind: 'DEATH',
    date: '1999-05-06',
    zjlx: '111',
    zjhm: number,
    xm: '张测试',
    xb: '1',
    csrq: birthDateOf(number),
    ...change,
  }
}

/** A resident of the police's feed; `change` replaces members. */
export function createPerson(change: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return createResidentRow({ zjhm: numbers[0], ...change })
}

/** Four feeds of four departments that name the same persons, and what a test does with them. */
export interface People {
  readonly police: Feed
  readonly platform: Feed
  readonly civil: Feed
  readonly health: Feed
  readonly store: (feed: Feed, ...rows: readonly unknown[]) => Promise<void>
  readonly merge: () => Promise<number>
  readonly persons: () => Promise<readonly StoredPerson[]>
  /** A reviewer's decision about a record of `platform`, unless another feed is given. */
  readonly decide: (decision: LinkVerdict, recordId: string, feed?: Feed) => Promise<number>
}

export async function openPeople(installation: TestInstallation): Promise<People> {
  const platform = await registerResidents(installation, 'LZ-ZW-RK-001', 'government-services')
  return {
    police: await registerResidents(installation, 'LZ-GA-RK-001', 'public-security'),
    platform,
    civil: await registerEvents(installation, 'LZ-MZ-SW-001', 'civil-affairs'),
    health: await registerEvents(installation, 'LZ-WJ-SW-001', 'health'),
    store: (feed, ...rows) => storeRows(installation, feed, rows),
    merge: () => mergeAll(installation),
    persons: () => readPersons(installation),
    decide: (decision, recordId, { code } = platform) =>
      insertLinkDecision(installation.database.query, {
        feed: code,
        recordId,
        decision,
        reason: 'number-mistyped',
        by: 'operator:test',
      }),
  }
}

/** Merges until nothing is due. Returns how many pages. */
async function mergeAll(installation: TestInstallation): Promise<number> {
  for (let pages = 0; ; pages++) {
    const outcome = await projectPersons(installation)
    if (outcome === 'busy') throw new Error('another merge of this test is running')
    if (outcome === 'idle') return pages
  }
}

/** A merged person as it rests, and what its sealed part holds. */
interface StoredPerson {
  readonly id: string
  readonly version: number
  readonly digest: string | null
  readonly masked: Readonly<Record<string, unknown>> | null
  readonly clear: Readonly<Record<string, unknown>>
}

async function readPersons({ asOwner, keys }: TestInstallation): Promise<readonly StoredPerson[]> {
  const rows = await asOwner<Omit<StoredPerson, 'clear'> & { readonly sealed: Buffer | null }>(
    `select source_record_id as id, version, encode(digest, 'hex') as digest, masked, sealed
       from gridbridge.record where feed_id = 0 order by source_record_id`,
  )
  return rows.map(({ sealed, ...person }) => {
    const bound = `record|person|GB-PERSON-001|${person.id}`
    const hidden = sealed === null ? {} : (JSON.parse(open(keys.sealKey, bound, sealed)) as object)
    return { ...person, clear: { ...person.masked, ...hidden } }
  })
}

export function readConflicts({ asOwner }: TestInstallation): Promise<readonly PersonConflict[]> {
  return asOwner(
    `select encode(person, 'hex') as person, field, rule, decided_by as "decidedBy", sides
       from gridbridge.person_conflict order by person, field`,
  )
}

/** Forgets all records and everything that was merged out of them. */
export async function forgetPeople({ asOwner }: TestInstallation): Promise<void> {
  await asOwner(
    'truncate gridbridge.record, gridbridge.person_member, gridbridge.person_cursor, gridbridge.person_conflict, gridbridge.link_decision',
  )
}
