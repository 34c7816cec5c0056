import { expectedRejections, expectedSecond, sourceCounts } from './city/expectations.ts'
import type { FeedCode } from './city/feeds.ts'
import { datasets, type CityOptions, type Dataset } from './city/options.ts'
import { expectDataset, type Expected } from './expected.ts'
import type { PostedBatches } from './departments/batches.ts'
import type { LedgerSummary } from './platform/ledger.ts'
import type { PersonCounts } from '../src/store/persons.ts'
import type { Run } from '../src/store/runs.ts'

/** What one dataset came to in the first pass. */
export interface FirstPass {
  readonly source: number
  readonly pulled: number
  readonly valid: number
  readonly rejected: number
  readonly stored: number
  readonly delivered: number
  readonly acknowledged: number
}

/** What one dataset came to in the second pass, after the city changed. */
export interface SecondPass {
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
  readonly unchanged: number
  readonly delivered: number
}

type ByDataset<Value> = Readonly<Record<string, Value>>
type ByRule = Readonly<Record<string, number>>

/** The ledger's own counts at one moment. */
export interface Counts {
  /** By feed code. */
  readonly runs: Readonly<Record<string, Run>>
  readonly records: ByDataset<number>
  readonly deliveries: ByDataset<{ readonly delivered: number; readonly acknowledged: number }>
  readonly rejections: ByDataset<ByRule>
}

/** What one feed is read by, and how many rows came. */
export interface FeedResult {
  /** For example "http, hmac-sm3, token paging". */
  readonly protocol: string
  readonly pulled: number
}

/** The feeds of each department by its folder name. */
export type DepartmentResults = Readonly<Record<string, { readonly feeds: Readonly<Record<string, FeedResult>> }>>

export interface DemoResult {
  readonly ok: boolean
  readonly seed: number
  readonly seconds: number
  readonly first: ByDataset<FirstPass>
  readonly departments: DepartmentResults
  readonly expectedRejected: ByDataset<number>
  readonly rejectedByRule: ByDataset<ByRule>
  readonly platform: ByDataset<number>
  readonly second: ByDataset<SecondPass>
  readonly pulledByApi: ByDataset<number>
  /** Posted in both passes, by the departments' own receipts. */
  readonly batches: Readonly<Record<'posted' | 'sentAgain' | 'otherReceipts', number>>
  /** At the end of the second pass. */
  readonly persons: { readonly merged: number; readonly conflicts: number }
  readonly redeliveries: number
  readonly duplicateEffects: number
  readonly restarts: number
  readonly audit: { readonly entries: number; readonly verified: boolean }
  readonly peakRssMb: number
  /** Every total that does not add up, in words; none when `ok`. */
  readonly differences: readonly string[]
}

const sum = (values: ByDataset<number> | undefined): number =>
  Object.values(values ?? {}).reduce((total, value) => total + value, 0)

function each<Value>(make: (dataset: Dataset) => Value): Readonly<Record<Dataset, Value>> {
  return Object.fromEntries(datasets.map((dataset) => [dataset, make(dataset)])) as Readonly<Record<Dataset, Value>>
}

/** The runs of the feeds that fill a dataset, added up. */
function sumRuns(counts: Counts, dataset: Dataset, count: (run: Run) => number): number {
  return Object.values(counts.runs)
    .filter((run) => run.dataset === dataset)
    .reduce((total, run) => total + count(run), 0)
}

/** The demo as it was played: the city, and the feeds that were run. */
export interface Played {
  readonly city: CityOptions
  readonly feeds: readonly FeedCode[]
}

const expectEach = ({ city, feeds }: Played): Readonly<Record<Dataset, Expected>> =>
  each((dataset) => expectDataset(city, feeds, dataset))

export function firstPass(played: Played, counts: Counts): Readonly<Record<Dataset, FirstPass>> {
  const expected = expectEach(played)
  return each((dataset) => ({
    source: expected[dataset].source,
    pulled: sumRuns(counts, dataset, (run) => run.pulled),
    valid: sumRuns(counts, dataset, (run) => run.valid),
    rejected: sumRuns(counts, dataset, (run) => run.rejected),
    stored: counts.records[dataset] ?? 0,
    delivered: counts.deliveries[dataset]?.delivered ?? 0,
    acknowledged: counts.deliveries[dataset]?.acknowledged ?? 0,
  }))
}

export function secondPass(first: Counts, second: Counts): Readonly<Record<Dataset, SecondPass>> {
  return each((dataset) => ({
    inserted: sumRuns(second, dataset, (run) => run.inserted),
    updated: sumRuns(second, dataset, (run) => run.updated),
    deleted: sumRuns(second, dataset, (run) => run.deleted),
    unchanged: sumRuns(second, dataset, (run) => run.unchanged),
    delivered: (second.deliveries[dataset]?.delivered ?? 0) - (first.deliveries[dataset]?.delivered ?? 0),
  }))
}

export function expectedRejectedTotals(played: Played): Readonly<Record<Dataset, number>> {
  const expected = expectEach(played)
  return each((dataset) => sum(expected[dataset].rejected))
}

export const platformLive = (ledger: LedgerSummary): Readonly<Record<Dataset, number>> =>
  each((dataset) => ledger.datasets[dataset]?.live ?? 0)

/** What must hold of two numbers, and how to say that it does not. */
type Equation = readonly [what: string, one: number, other: number]

function firstEquations(expected: Expected, pass: FirstPass, platform: number, rejected: ByRule): readonly Equation[] {
  const rules = [...new Set([...Object.keys(expected.rejected), ...Object.keys(rejected)])]
  return [
    ['source and pulled', pass.source, pass.pulled],
    ['pulled and valid + rejected', pass.pulled, pass.valid + pass.rejected],
    ['stored and expected live records', pass.stored, expected.liveFirst],
    ['stored and acknowledged', pass.stored, pass.acknowledged],
    ['stored and platform', pass.stored, platform],
    ['delivered and acknowledged', pass.delivered, pass.acknowledged],
    ...rules.map((rule): Equation => {
      return [`rejected by ${rule} and expected`, rejected[rule] ?? 0, expected.rejected[rule] ?? 0]
    }),
  ]
}

function secondEquations({ second, liveSecond }: Expected, pass: SecondPass, platform: number): readonly Equation[] {
  return [
    ['inserted and expected', pass.inserted, second.inserted],
    ['updated and expected', pass.updated, second.updated],
    ['deleted and expected', pass.deleted, second.deleted],
    ['delivered and changes', pass.delivered, pass.inserted + pass.updated + pass.deleted],
    ['platform and expected live records', platform, liveSecond],
  ]
}

type ByFeed<Value> = Readonly<Record<string, Value>>

export interface Outcome {
  readonly runs: ByFeed<Run>
  readonly postedFirst: ByFeed<PostedBatches>
  readonly postedSecond: ByFeed<PostedBatches>
  readonly first: Readonly<Record<Dataset, FirstPass>>
  readonly second: Readonly<Record<Dataset, SecondPass>>
  readonly rejectedByRule: ByDataset<ByRule>
  readonly platformFirst: Readonly<Record<Dataset, number>>
  readonly platformSecond: Readonly<Record<Dataset, number>>
  readonly pulledByApi: Readonly<Record<Dataset, number>>
  readonly ledger: LedgerSummary
  readonly persons: PersonCounts
  readonly auditVerified: boolean
}

function feedEquations({ city, feeds }: Played, { runs }: Outcome): readonly Equation[] {
  const sources = sourceCounts(city)
  const rejections = expectedRejections(city)
  return feeds.flatMap((feed): readonly Equation[] => [
    [`${feed}: source and pulled`, sources[feed], runs[feed]?.pulled ?? 0],
    [`${feed}: rejected and expected`, sum(rejections[feed]), runs[feed]?.rejected ?? 0],
  ])
}

/** What the receipts of the departments that post must say: each row once, however often its batch was sent. */
function receiptEquations({ city }: Played, { postedFirst, postedSecond }: Outcome): readonly Equation[] {
  const sources: ByFeed<number> = sourceCounts(city)
  const rejections: ByFeed<ByRule> = expectedRejections(city)
  const second: ByFeed<{ readonly inserted: number; readonly updated: number; readonly deleted: number }> =
    expectedSecond(city)
  const first = Object.entries(postedFirst).flatMap(([feed, posted]): readonly Equation[] => [
    [`${feed}: rows of the receipts and source`, posted.rows, sources[feed] ?? 0],
    [`${feed}: rejected by the receipts and expected`, posted.rejected, sum(rejections[feed])],
    [`${feed}: rows of the receipts and valid + rejected`, posted.rows, posted.valid + posted.rejected],
  ])
  const changes = Object.entries(postedSecond).map(([feed, posted]): Equation => {
    return [`${feed}: valid by the receipts and changes`, posted.valid, sum({ ...second[feed] })]
  })
  const answers = [...Object.entries(postedFirst), ...Object.entries(postedSecond)].map(([feed, posted]): Equation => {
    return [`${feed}: answers to a batch sent again that are not its first receipt`, posted.otherReceipts, 0]
  })
  return [...first, ...changes, ...answers]
}

/** The batches of several passes, added up. */
export function sumBatches(passes: readonly ByFeed<PostedBatches>[]): DemoResult['batches'] {
  const all = passes.flatMap((posted) => Object.values(posted))
  const total = (count: (posted: PostedBatches) => number): number => all.reduce((so, one) => so + count(one), 0)
  return {
    posted: total(({ batches }) => batches),
    sentAgain: total(({ sentAgain }) => sentAgain),
    otherReceipts: total(({ otherReceipts }) => otherReceipts),
  }
}

function datasetEquations(expected: Expected, outcome: Outcome, dataset: Dataset): readonly Equation[] {
  const first = outcome.first[dataset]
  const rejected = outcome.rejectedByRule[dataset] ?? {}
  const all: readonly Equation[] = [
    ...firstEquations(expected, first, outcome.platformFirst[dataset], rejected),
    ...secondEquations(expected, outcome.second[dataset], outcome.platformSecond[dataset]),
    ['pulled by API and stored', outcome.pulledByApi[dataset], first.stored],
  ]
  return all.map(([what, one, other]): Equation => [`${dataset}: ${what}`, one, other])
}

/** Every total that does not add up, in words. */
export function findDifferences(played: Played, outcome: Outcome): readonly string[] {
  const expected = expectEach(played)
  const whole: readonly Equation[] = [
    ['duplicate effects at the platform', outcome.ledger.duplicateEffects, 0],
    ['conflicting deliveries at the platform', outcome.ledger.conflicts, 0],
    ['deliveries with a bad signature', outcome.ledger.badSignatures, 0],
    ['merged persons and certificates', outcome.persons.persons, outcome.persons.certificates],
    [
      'merged persons and persons at the platform',
      outcome.persons.persons,
      outcome.ledger.datasets['person']?.live ?? 0,
    ],
    ['audit log verified', Number(outcome.auditVerified), 1],
  ]
  return [
    ...feedEquations(played, outcome),
    ...receiptEquations(played, outcome),
    ...datasets.flatMap((dataset) => datasetEquations(expected[dataset], outcome, dataset)),
    ...whole,
  ]
    .filter(([, one, other]) => one !== other)
    .map(([what, one, other]) => `${what}: ${one} ≠ ${other}`)
}
