import type { Dataset } from '../feeds/datasets.ts'
import { AppError } from '../errors.ts'
import { diffJson } from '../feeds/json-diff.ts'
import { describe, type ManifestFault } from '../feeds/manifest-errors.ts'
import type { ExpectedOutcome, Manifest } from '../feeds/manifest-types.ts'
import type { Fields, SourceRow } from '../record.ts'
import { compileMapping } from './map.ts'
import { validate } from './validate.ts'

/** What became of a row, in the words of an expectation. */
type Outcome =
  | { readonly kind: 'record'; readonly fields: Fields; readonly warnings: readonly string[] }
  | Exclude<ExpectedOutcome, { readonly kind: 'record' }>

function createJudge(manifest: Manifest, dataset: Dataset): (row: SourceRow) => Outcome {
  const mapRow = compileMapping(manifest, dataset)
  return (row) => {
    const { valid, rejected } = validate([mapRow(row)], dataset)
    const [record] = valid
    if (record === undefined) return { kind: 'rejection', rules: rulesOf(rejected.flatMap(({ reasons }) => reasons)) }
    if (record.operation === 'delete') return { kind: 'deletion' }
    return { kind: 'record', fields: record.fields, warnings: [...new Set(record.warnings)].toSorted() }
  }
}

const rulesOf = (reasons: readonly { readonly rule: string }[]): readonly string[] =>
  [...new Set(reasons.map(({ rule }) => rule))].toSorted()

/** The outcome with only what the expectation speaks of. */
function asAsked(outcome: Outcome, expected: ExpectedOutcome): unknown {
  if (outcome.kind !== 'record' || expected.kind !== 'record') return outcome
  const { fields, warnings } = outcome
  return {
    kind: outcome.kind,
    fields: Object.fromEntries(Object.keys(expected.fields).map((name) => [name, fields[name] ?? null])),
    ...(expected.warnings === undefined ? {} : { warnings }),
  }
}

/** Rules are a set: their order means nothing. */
function sorted(expected: ExpectedOutcome): ExpectedOutcome {
  if (expected.kind === 'rejection') return { ...expected, rules: expected.rules.toSorted() }
  if (expected.kind === 'record' && expected.warnings !== undefined)
    return { ...expected, warnings: expected.warnings.toSorted() }
  return expected
}

const describeOutcome = (outcome: Outcome): string =>
  outcome.kind === 'rejection' ? `a rejection by ${outcome.rules.join(', ')}` : `a ${outcome.kind}`

/** Where the rows of a manifest's own tests become something else than they should; none: all pass. */
function findTestFaults(manifest: Manifest, dataset: Dataset): readonly ManifestFault[] {
  const judge = createJudge(manifest, dataset)
  return (manifest.tests ?? []).flatMap(({ row, expect }, place) => {
    const at = `/tests/${place}/expect`
    const outcome = judge({ row: place, value: row })
    if (outcome.kind !== expect.kind)
      return [{ pointer: `${at}/kind`, given: describeOutcome(outcome), wanted: `a ${expect.kind}` }]
    return diffJson(sorted(expect), asAsked(outcome, expect)).map(({ pointer, before, after }) => ({
      pointer: `${at}${pointer}`,
      given: describe(after),
      wanted: describe(before),
    }))
  })
}

/** One line for each test that does not pass. */
export const describeTestFaults = (manifest: Manifest, dataset: Dataset): readonly string[] =>
  findTestFaults(manifest, dataset).map(({ pointer, given, wanted }) => `${pointer}: given ${given}, wanted ${wanted}`)

/** Throws MANIFEST_INVALID with a line for each test that does not pass. */
export function assertTestsPass(manifest: Manifest, dataset: Dataset): void {
  const lines = describeTestFaults(manifest, dataset)
  if (lines.length > 0) throw new AppError('MANIFEST_INVALID', lines.join('\n'))
}
