import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { loadConfig } from '../src/config.ts'
import type { Dataset } from '../src/feeds/datasets.ts'
import { fieldForms } from '../src/feeds/forms.ts'
import { formsOfProfile, profileNames } from '../src/feeds/profiles.ts'
import { openInstallation } from '../src/installation.ts'
import type { Fields, SharedRecord } from '../src/record.ts'
import { selectionOf, share, shareJson } from '../src/sharing/share.ts'
import type { Agreement } from '../src/store/agreements.ts'
import { FIRST_PLACE, readChanges, type Change, type Selection } from '../src/store/changes.ts'
import { settle } from './feed.ts'
import { createRandom, type Random } from './random.ts'
import { expectedOf, type Expected, type ModelRecord } from './sharing-model.ts'
import { AREAS, fillWorld, todayOf, type SharingStage } from './sharing-world.ts'

export interface SharingVerdict {
  readonly ok: boolean
  readonly seed: number
  /** Pairs of an agreement and a record, each asked with both layers and with either of them alone. */
  readonly cases: number
  readonly differences: number
  /** Where the selection alone hands over a field or a row too many. */
  readonly selectionAlone: number
  /** Where `share` alone, over everything, comes to something else than the model. */
  readonly shareAlone: number
  /** What was found, by how it was: nothing, a deletion, fields. */
  readonly outcomes: Readonly<Record<string, number>>
  readonly first: string | null
}

const pick = <Item>(random: Random, items: readonly Item[]): Item => items[random(items.length)] as Item

/** Forms that do not exist come up too: what is not known must not leave. */
const ODD_FORMS = ['CLEAR', 'constructor', '', '__proto__'] as const

function someForms(random: Random, dataset: Dataset): Agreement['forms'] {
  if (random(4) === 0) return formsOfProfile(pick(random, profileNames), dataset)
  const forms = dataset.names
    .filter(() => random(3) > 0)
    .map((name) => [name, random(12) === 0 ? pick(random, ODD_FORMS) : pick(random, fieldForms)] as const)
  return Object.fromEntries([...forms, ['notAProperty', 'clear']]) as Agreement['forms']
}

function someArea(random: Random): readonly string[] {
  if (random(3) === 0) return ['5105']
  return Array.from({ length: 1 + random(2) }, () => pick(random, AREAS).slice(0, pick(random, [6, 9, 12, 15])))
}

const someAgreement = (random: Random, dataset: Dataset, datasetId: number): Agreement => ({
  agreementId: 1,
  version: 1,
  consumer: 'model',
  consumerId: 1 + random(3),
  dataset: dataset.name,
  datasetId,
  forms: someForms(random, dataset),
  area: someArea(random),
  purpose: 'LZ-QD-001',
  method: 'copy',
  recordsPerDay: null,
  pageSize: 1000,
  validTo: new Date(),
})

/** Everything of a dataset, whatever an agreement says: the selection is off. */
const everything = ({ datasetId }: Agreement): Selection => ({ datasetId, unwanted: [], wantsSealed: true, area: null })

async function readAll(stage: SharingStage, selection: Selection): Promise<readonly Change[]> {
  return readChanges(stage.database.query, selection, FIRST_PLACE, 1_000_000)
}

const outcomeOf = (shared: SharedRecord | undefined): Expected => {
  if (shared === undefined) return 'nothing'
  return shared.record ?? 'delete'
}

/** True where the selection alone hands over a row or a field of the masked view that the model would not let leave in any form. */
function isTooMuch(change: Change, expected: Expected): boolean {
  return (
    expected === 'nothing' || (expected === 'delete' && (change.masked ?? change.sealed ?? change.subject) !== null)
  )
}

interface Tally {
  cases: number
  differences: number
  selectionAlone: number
  shareAlone: number
  readonly outcomes: Record<string, number>
  first: string | null
}

/** What the agreement names with a form other than omission: nothing else may even be fetched. */
const grantedNames = ({ forms }: Agreement): ReadonlySet<string> =>
  new Set(
    Object.entries(forms).flatMap(([name, form]) =>
      (fieldForms as readonly string[]).includes(form) && form !== 'omit' ? [name] : [],
    ),
  )

async function compareAgreement(
  stage: SharingStage,
  dataset: Dataset,
  agreement: Agreement,
  records: readonly ModelRecord[],
  tally: Tally,
): Promise<void> {
  const sharing = { dataset, keys: stage.keys, today: new Date() }
  const day = { keys: stage.keys, today: todayOf() }
  const selected = await readAll(stage, selectionOf(agreement, dataset))
  const byId = <Item extends { readonly id: string }>(items: readonly Item[]) =>
    new Map(items.map((item) => [item.id, item]))
  // As pull sends it; beside it `share` alone, which both are made of.
  const sent = shareJson(selected, agreement, sharing).map(({ json }) => json.join(''))
  const { changes } = JSON.parse(`{"changes":[${sent.join(',')}]}`) as { readonly changes: readonly SharedRecord[] }
  const both = byId(changes)
  const sharedAlone = byId(share(await readAll(stage, everything(agreement)), agreement, sharing))
  const selectedById = new Map(selected.map((change) => [`${change.feed}/${change.recordId}`, change]))
  const granted = grantedNames(agreement)
  for (const record of records) {
    const expected = expectedOf(record, agreement, dataset, day)
    const kind = typeof expected === 'string' ? expected : 'fields'
    tally.cases += 1
    tally.outcomes[kind] = (tally.outcomes[kind] ?? 0) + 1
    if (!isDeepStrictEqual(outcomeOf(both.get(record.id)), expected)) {
      tally.differences += 1
      tally.first ??= `${record.id}: ${kind}`
    }
    if (!isDeepStrictEqual(outcomeOf(sharedAlone.get(record.id)), expected)) tally.shareAlone += 1
    const change = selectedById.get(record.id)
    const isUngranted = Object.keys(JSON.parse(change?.masked ?? '{}') as Fields).some((name) => !granted.has(name))
    if (isUngranted || (change !== undefined && isTooMuch(change, expected))) tally.selectionAlone += 1
  }
}

/**
 * Compares what leaves with a small model of what may, for pairs of random agreements and random records of every dataset, on a real
 * database: with both layers, with `share` alone over everything, and with the selection alone.
 */
export async function compareWithModel(
  stage: SharingStage,
  options: { readonly records: number; readonly agreements: number; readonly seed: number },
): Promise<SharingVerdict> {
  const random = createRandom(options.seed)
  const tally: Tally = { cases: 0, differences: 0, selectionAlone: 0, shareAlone: 0, outcomes: {}, first: null }
  for (const dataset of stage.datasets.values()) {
    const records = await fillWorld(stage, dataset, options.records, random)
    await settle(stage)
    const [row] = await stage.database.query<{ id: number }>('select dataset_id as id from dataset where name = $1', [
      dataset.name,
    ])
    for (let number = 0; number < options.agreements; number++)
      await compareAgreement(stage, dataset, someAgreement(random, dataset, row?.id ?? 0), records, tally)
  }
  const faults = tally.differences + tally.selectionAlone + tally.shareAlone
  const isTelling = ['nothing', 'delete', 'fields'].every((kind) => (tally.outcomes[kind] ?? 0) > tally.cases / 100)
  return { ok: faults === 0 && isTelling, seed: options.seed, ...tally }
}

/** The same on an installation of its own. */
export async function proveSharing(options: {
  readonly records: number
  readonly agreements: number
  readonly seed: number
}): Promise<SharingVerdict> {
  const data = mkdtempSync(path.join(tmpdir(), 'gridbridge-sharing-'))
  const installation = await openInstallation(loadConfig({ GRIDBRIDGE_DATA: data }), 'prove', 4)
  try {
    return await compareWithModel(installation, options)
  } finally {
    await installation.close()
    rmSync(data, { recursive: true, force: true })
  }
}
