import { datasets, type CityOptions, type Dataset } from './city/options.ts'
import { expectedLive, expectedRejections, expectedSecond, sourceCounts } from './city/expectations.ts'
import type { LedgerSummary } from './platform/ledger.ts'
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

/** The ledger's own counts at one moment. */
export interface Counts {
  readonly runs: ByDataset<Run>
  readonly records: ByDataset<number>
  readonly deliveries: ByDataset<{ readonly delivered: number; readonly acknowledged: number }>
  readonly rejections: ByDataset<ByDataset<number>>
}

export interface DemoResult {
  readonly ok: boolean
  readonly seed: number
  readonly seconds: number
  readonly first: ByDataset<FirstPass>
  readonly expectedRejected: ByDataset<number>
  readonly rejectedByRule: ByDataset<ByDataset<number>>
  readonly platform: ByDataset<number>
  readonly second: ByDataset<SecondPass>
  readonly pulledByApi: ByDataset<number>
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

export function firstPass(options: CityOptions, counts: Counts): Readonly<Record<Dataset, FirstPass>> {
  const source = sourceCounts(options)
  return each((dataset) => ({
    source: source[dataset],
    pulled: counts.runs[dataset]?.pulled ?? 0,
    valid: counts.runs[dataset]?.valid ?? 0,
    rejected: counts.runs[dataset]?.rejected ?? 0,
    stored: counts.records[dataset] ?? 0,
    delivered: counts.deliveries[dataset]?.delivered ?? 0,
    acknowledged: counts.deliveries[dataset]?.acknowledged ?? 0,
  }))
}

export function secondPass(first: Counts, second: Counts): Readonly<Record<Dataset, SecondPass>> {
  return each((dataset) => ({
    inserted: second.runs[dataset]?.inserted ?? 0,
    updated: second.runs[dataset]?.updated ?? 0,
    deleted: second.runs[dataset]?.deleted ?? 0,
    unchanged: second.runs[dataset]?.unchanged ?? 0,
    delivered: (second.deliveries[dataset]?.delivered ?? 0) - (first.deliveries[dataset]?.delivered ?? 0),
  }))
}

export function expectedRejectedTotals(options: CityOptions): Readonly<Record<Dataset, number>> {
  const rules = expectedRejections(options)
  return each((dataset) => sum(rules[dataset]))
}

export const platformLive = (ledger: LedgerSummary): Readonly<Record<Dataset, number>> =>
  each((dataset) => ledger.datasets[dataset]?.live ?? 0)

/** What must hold of two numbers, and how to say that it does not. */
type Equation = readonly [what: string, one: number, other: number]

function firstEquations(
  options: CityOptions,
  dataset: Dataset,
  pass: FirstPass,
  platform: number,
  rejected: ByDataset<number>,
): readonly Equation[] {
  const expected = expectedRejections(options)[dataset]
  const rules = [...new Set([...Object.keys(expected), ...Object.keys(rejected)])]
  return [
    ['source and pulled', pass.source, pass.pulled],
    ['pulled and valid + rejected', pass.pulled, pass.valid + pass.rejected],
    ['stored and expected live records', pass.stored, expectedLive(options, 1)[dataset]],
    ['stored and acknowledged', pass.stored, pass.acknowledged],
    ['stored and platform', pass.stored, platform],
    ['delivered and acknowledged', pass.delivered, pass.acknowledged],
    ...rules.map((rule): Equation => [`rejected by ${rule} and expected`, rejected[rule] ?? 0, expected[rule] ?? 0]),
  ]
}

function secondEquations(
  options: CityOptions,
  dataset: Dataset,
  pass: SecondPass,
  platform: number,
): readonly Equation[] {
  const expected = expectedSecond(options)[dataset]
  return [
    ['inserted and expected', pass.inserted, expected.inserted],
    ['updated and expected', pass.updated, expected.updated],
    ['deleted and expected', pass.deleted, expected.deleted],
    ['delivered and changes', pass.delivered, pass.inserted + pass.updated + pass.deleted],
    ['platform and expected live records', platform, expectedLive(options, 2)[dataset]],
  ]
}

export interface Outcome {
  readonly first: Readonly<Record<Dataset, FirstPass>>
  readonly second: Readonly<Record<Dataset, SecondPass>>
  readonly rejectedByRule: ByDataset<ByDataset<number>>
  readonly platformFirst: Readonly<Record<Dataset, number>>
  readonly platformSecond: Readonly<Record<Dataset, number>>
  readonly pulledByApi: Readonly<Record<Dataset, number>>
  readonly ledger: LedgerSummary
  readonly auditVerified: boolean
}

/** Every total that does not add up, in words. */
export function findDifferences(options: CityOptions, outcome: Outcome): readonly string[] {
  const equations = datasets.flatMap((dataset): readonly Equation[] => {
    const all: readonly Equation[] = [
      ...firstEquations(
        options,
        dataset,
        outcome.first[dataset],
        outcome.platformFirst[dataset],
        outcome.rejectedByRule[dataset] ?? {},
      ),
      ...secondEquations(options, dataset, outcome.second[dataset], outcome.platformSecond[dataset]),
      ['pulled by API and stored', outcome.pulledByApi[dataset], outcome.first[dataset].stored],
    ]
    return all.map(([what, one, other]): Equation => [`${dataset}: ${what}`, one, other])
  })
  const whole: readonly Equation[] = [
    ['duplicate effects at the platform', outcome.ledger.duplicateEffects, 0],
    ['conflicting deliveries at the platform', outcome.ledger.conflicts, 0],
    ['deliveries with a bad signature', outcome.ledger.badSignatures, 0],
    ['audit log verified', Number(outcome.auditVerified), 1],
  ]
  return [...equations, ...whole]
    .filter(([, one, other]) => one !== other)
    .map(([what, one, other]) => `${what}: ${one} ≠ ${other}`)
}
