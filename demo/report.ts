import { drawTable, say } from './progress.ts'
import type { DemoResult } from './totals.ts'

const DATASET_HEAD = [
  'dataset',
  'source',
  'pulled',
  'valid',
  'rejected',
  'stored',
  'acknowledged',
  'platform',
  '+',
  '~',
  '−',
  'delivered again',
]

function datasetRows(result: DemoResult): readonly (readonly (string | number)[])[] {
  return Object.entries(result.first).map(([dataset, first]) => {
    const second = result.second[dataset]
    return [
      dataset,
      first.source,
      first.pulled,
      first.valid,
      first.rejected,
      first.stored,
      first.acknowledged,
      result.platform[dataset] ?? 0,
      second?.inserted ?? 0,
      second?.updated ?? 0,
      second?.deleted ?? 0,
      second?.delivered ?? 0,
    ]
  })
}

function departmentRows({ departments }: DemoResult): readonly (readonly (string | number)[])[] {
  return Object.entries(departments).flatMap(([department, { feeds }]) =>
    Object.entries(feeds).map(([feed, { protocol, pulled }]) => [department, feed, protocol, pulled]),
  )
}

/** Prints the closing tables, and every total that does not add up. */
export function report(result: DemoResult): void {
  say(drawTable(DATASET_HEAD, datasetRows(result)))
  say(drawTable(['department', 'feed', 'protocol', 'pulled'], departmentRows(result)))
  say(`  persons: ${result.persons.merged} merged, ${result.persons.conflicts} contradictions between departments`)
  const { posted, sentAgain } = result.batches
  say(`  batches: ${posted} posted, ${sentAgain} of them more than once and taken once`)
  say(
    `  audit: ${result.audit.entries} entries, ${result.audit.verified ? 'whole' : 'NOT WHOLE'}; largest process ${result.peakRssMb} MiB; ${result.seconds} s`,
  )
  for (const difference of result.differences) say(`  does not add up: ${difference}`)
}
