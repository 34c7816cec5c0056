import type { Dataset, Property } from '../src/feeds/datasets.ts'
import { dayOf } from '../src/feeds/formats.ts'
import { isMinorRecord, maskFields } from '../src/feeds/masks.ts'
import { digestRecord, protect } from '../src/ingest/protect.ts'
import { joinRecord } from '../src/ingest/validate.ts'
import type { Fields } from '../src/record.ts'
import type { KeyRing } from '../src/security/key-ring.ts'
import { MERGED_FEED } from '../src/store/changes.ts'
import type { Database } from '../src/store/database.ts'
import { findPersonOwner } from '../src/store/persons.ts'
import { buryRecords, upsertRecords } from '../src/store/save-page.ts'
import type { Random } from './random.ts'
import type { ModelRecord } from './sharing-model.ts'

export interface SharingStage {
  readonly database: Database
  readonly keys: KeyRing
  readonly datasets: ReadonlyMap<string, Dataset>
}

export const AREAS = [
  '510502001001001',
  '510502001002003',
  '510503002001001',
  '510521100001002',
  '510525116201001',
] as const

const pick = <Item>(random: Random, items: readonly Item[]): Item => items[random(items.length)] as Item
const digits = (random: Random, count: number): string => Array.from({ length: count }, () => random(10)).join('')

/** Birth years of nobody alive, and of children; the county 510599 is assigned to nobody. */
function someDate(random: Random): string {
  const year = random(4) === 0 ? 2016 + random(9) : 1900 + random(5)
  return `${year}-${String(1 + random(12)).padStart(2, '0')}-${String(1 + random(28)).padStart(2, '0')}`
}

const byFormat: Readonly<Record<string, (random: Random) => string>> = {
  'cn-certificate': (random) => `510599${someDate(random).replaceAll('-', '')}${digits(random, 4)}`,
  'cn-phone': (random) => `1990000${digits(random, 4)}`,
  'cn-grid15': (random) => pick(random, AREAS),
  'cn-community12': (random) => pick(random, AREAS).slice(0, 12),
  'cn-town9': (random) => pick(random, AREAS).slice(0, 9),
  'cn-division6': (random) => pick(random, AREAS).slice(0, 6),
  'cn-realestate28': (random) => `${pick(random, AREAS).slice(0, 12)}GB${digits(random, 5)}F${digits(random, 8)}`,
  date: someDate,
}

const NAMES = ['张测试', '李样例', '欧阳测试', '阿卜杜拉·测试', '𬱖测试'] as const
const ADDRESSES = ['四川省泸州市江阳区南城街道测试社区1路2号', '四川省泸州市泸县福集镇样例村3组', '不详'] as const

function someValue(random: Random, property: Property): unknown {
  if (property.type === 'boolean') return random(2) === 0
  if (property.type !== 'string') return 105 + random(10_000) / 10_000
  const listed = property.values ?? [...(property.codes?.codes.keys() ?? [])]
  if (listed.length > 0) return pick(random, listed)
  const make = byFormat[property.format ?? '']
  if (make !== undefined) return make(random)
  return property.mask.startsWith('ADDR_') ? pick(random, ADDRESSES) : pick(random, NAMES)
}

function someFields(random: Random, dataset: Dataset): Fields {
  const present = dataset.properties.filter(({ name }) => name !== 'sourceRecordId' && random(5) > 0)
  const fields: Record<string, unknown> = {}
  for (const property of present) fields[property.name] = someValue(random, property)
  if (dataset.subject !== null && fields[dataset.subject.number] !== undefined) fields[dataset.subject.type] = '111'
  return fields
}

const isText = (value: unknown): value is string => typeof value === 'string'

const areaOf = (fields: Fields): string | null =>
  ['gridCode', 'communityCode', 'townCode', 'divisionCode'].map((name) => fields[name]).find(isText) ?? null

/** Stores records as a page does and returns them as the model knows them: some change, move to another area, or vanish. */
export async function fillWorld(
  stage: SharingStage,
  dataset: Dataset,
  count: number,
  random: Random,
): Promise<readonly ModelRecord[]> {
  const today = new Date()
  const { datasetId } = await findPersonOwner(stage.database.query, dataset.name)
  const owner = { feedId: MERGED_FEED.feedId, datasetId }
  const protection = { dataset, feed: MERGED_FEED.code, keys: stage.keys, today }
  const histories = Array.from({ length: count }, (_, number) => ({
    id: `${dataset.name}-${number}`,
    versions: Array.from({ length: 1 + random(3) }, () => someFields(random, dataset)),
    isGone: random(10) === 0,
  }))
  for (let round = 0; round < 3; round++) {
    const due = histories.filter(({ versions }) => versions[round] !== undefined)
    const digested = due.map(({ id, versions }) =>
      digestRecord(joinRecord(id, { ...versions[round], sourceRecordId: id }), protection),
    )
    await upsertRecords(stage.database.query, owner, protect(digested, protection))
  }
  const gone = histories.filter(({ isGone }) => isGone).map(({ id }) => id)
  await buryRecords(stage.database.query, owner, gone, 0)
  const rested = await stage.database.query<{ id: string; version: number; subject: string | null }>(
    `select source_record_id as id, version, encode(subject, 'hex') as subject from record where dataset_id = $1 and feed_id = $2`,
    [datasetId, owner.feedId],
  )
  const restedById = new Map(rested.map((one) => [one.id, one]))
  return histories.map(({ id, versions, isGone }) => {
    const last = { ...versions.at(-1), sourceRecordId: id }
    return {
      id: `${MERGED_FEED.code}/${id}`,
      version: restedById.get(id)?.version ?? 0,
      isGone,
      clear: last,
      masked: maskFields(dataset, last, (value) => stage.keys.token('display', value), today),
      subject: restedById.get(id)?.subject ?? null,
      isMinor: isMinorRecord(dataset, last, today),
      areas: versions.map(areaOf),
    }
  })
}

export const todayOf = (): string => dayOf(new Date())
