import { formNames } from './taint-forms.ts'
import { plantLeaks } from './taint-leaks.ts'
import { judgeMutations, type MutationVerdict } from './taint-mutations.ts'
import { openSealed, play, type Played } from './taint-play.ts'
import { redisKinds, sinkKinds, type SinkKind } from './taint-kinds.ts'
import { openFinder } from './taint-search.ts'
import { searchEverything, type Hit } from './taint-sinks.ts'
import { openStage } from './taint-stage.ts'

export interface TaintOptions {
  /** People whose every value is searched for; what is needed beyond them for the rows that are bad comes on top. */
  readonly canaries: number
  /** Whether a product with changed lines is played too, in which each has to be found. */
  readonly withMutations: boolean
}

interface Searched {
  readonly canaries: number
  readonly people: number
  readonly forms: number
  /** Kinds of place that were searched, and how many places. */
  readonly sinks: number
  readonly places: number
  readonly bytesSearched: number
  /** Compressed contents that were opened and searched too. */
  readonly packed: number
  readonly searchSeconds: number
  readonly hits: readonly Hit[]
  /** Leaks that were planted, one in each kind of place. */
  readonly planted: number
  /** Kinds of place where a planted leak was not found. */
  readonly blind: readonly SinkKind[]
  readonly played: Played
  readonly redis: boolean
}

export interface TaintVerdict extends Searched {
  readonly ok: boolean
  readonly mutations: readonly MutationVerdict[]
  readonly seconds: number
}

/** Every rule that refuses a row of these sources; one that refused nothing was not proven. */
const wantedRules = [
  '001',
  '003',
  '004',
  '005',
  '010',
  '011',
  '012',
  '013',
  '020',
  '030',
  '032',
  '040',
  '070',
  '092',
].map((number) => `DQ-${number}`)

/** What the play must have moved for the search to mean anything. */
function findShortfalls(played: Played, canaries: number): readonly string[] {
  const missing = wantedRules.filter((rule) => !played.rules.includes(rule)).map((rule) => `${rule} refused nothing`)
  const few = Object.entries({
    records: played.records,
    // Half of the canaries are residents, each a person.
    persons: 2 * played.persons,
    delivered: played.delivered,
    pulled: played.pulled,
    opened: played.opened,
  })
  return [
    ...played.faults,
    ...missing,
    ...few.filter(([, moved]) => moved < canaries).map(([what, moved]) => `${what}: only ${moved}`),
  ]
}

const secondsSince = (startedAt: number): number => Math.round((performance.now() - startedAt) / 100) / 10

/** Plays, searches, plants a leak in each kind of place, and searches again. */
async function searchPlay(canaries: number): Promise<Searched> {
  const stage = await openStage({ withRedis: true })
  try {
    const played = await play(stage, canaries)
    const finder = openFinder(stage.book.canaries())
    const opened = await openSealed(stage, finder.find)
    const startedAt = performance.now()
    const clean = await searchEverything(stage, finder)
    const searchSeconds = secondsSince(startedAt)
    const findMissed = await plantLeaks(stage)
    const planted = await searchEverything(stage, finder)
    const whole = { ...played, opened }
    return {
      canaries: stage.book.canaries().length,
      people: stage.book.people(),
      forms: formNames.length,
      sinks: Object.keys(planted.places).length,
      places: Object.values(clean.places).reduce((sum, places) => sum + places, 0),
      bytesSearched: clean.bytes,
      packed: clean.packed,
      searchSeconds,
      hits: clean.hits,
      planted: Object.keys(planted.places).length,
      blind: findMissed(planted.hits),
      played: { ...whole, faults: findShortfalls(whole, canaries) },
      redis: stage.queueServer !== null,
    }
  } finally {
    await stage.close()
  }
}

/**
 * That no clear personal value rests or leaves anywhere but in sealed columns: the product is played with values that exist
 * nowhere else, and every place it writes to is searched for each of them in each form. The search proves itself on a
 * planted leak for each kind of place and on a product with changed lines. Hits name places and fields, never values.
 */
export async function proveTaint(options: TaintOptions): Promise<TaintVerdict> {
  const startedAt = performance.now()
  // Both wait for leases and deliveries most of the time, so together they take no longer. Each cleans up even if the other fails.
  const searching = searchPlay(options.canaries)
  const mutating = options.withMutations ? judgeMutations() : Promise.resolve([])
  await Promise.allSettled([searching, mutating])
  const [search, mutations] = [await searching, await mutating]
  const kinds = sinkKinds.length - (search.redis ? 0 : redisKinds.size)
  const seeing = search.blind.length === 0 && search.sinks === kinds && mutations.every(({ found }) => found)
  const ok = search.hits.length === 0 && search.played.faults.length === 0 && seeing
  return { ok, ...search, mutations, seconds: secondsSince(startedAt) }
}
