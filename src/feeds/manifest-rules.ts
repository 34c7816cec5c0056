import type { Dataset, Property } from './datasets.ts'
import { findDeniedTopic } from './deny-list.ts'
import type { Department } from './departments.ts'
import { describe, looksSecret, type ManifestFault } from './manifest-errors.ts'
import { holdsTruePersonalNumber } from './formats.ts'
import { findHttpFaults } from './manifest-http-rules.ts'
import type { FileSourceManifest } from './manifest-file.ts'
import type { Manifest, Mapping } from './manifest-types.ts'
import { findSqlSourceFaults } from './manifest-sql-rules.ts'
import { blackoutMinutes, MINUTES_OF_DAY } from './source-hours.ts'

/** The record id fills this property, so no mapping may. */
export const RECORD_ID = 'sourceRecordId'

const CRON_FIELDS = 5
const CRON_FIELD = /^[0-9A-Za-z*/,?#L-]+$/

function findMappingFaults(
  mapping: Mapping,
  index: number,
  properties: ReadonlyMap<string, Property>,
): readonly ManifestFault[] {
  const property = properties.get(mapping.to.slice(1))
  const at = `/map/${index}`
  if (mapping.to === `/${RECORD_ID}`) {
    return [{ pointer: `${at}/to`, given: describe(mapping.to), wanted: 'no mapping: /record/id fills it' }]
  }
  if (property === undefined) {
    return [{ pointer: `${at}/to`, given: describe(mapping.to), wanted: 'a property of the dataset' }]
  }
  return findCodeFaults(mapping, at, property)
}

function findCodeFaults(mapping: Mapping, at: string, property: Property): readonly ManifestFault[] {
  const allowed = property.codes === null ? property.values : [...property.codes.codes.keys()]
  if (allowed === null) return []
  const wanted = property.codes === null ? allowed.join(', ') : `a code of the table ${property.codes.name}`
  const given = [
    ...Object.entries(mapping.codes ?? {}).map(([code, value]) => [`${at}/codes/${escapeToken(code)}`, value] as const),
    ...(mapping.constant === undefined ? [] : [[`${at}/constant`, mapping.constant] as const]),
  ]
  return given
    .filter(([, value]) => !allowed.includes(String(value)))
    .map(([pointer, value]) => ({ pointer, given: describe(value), wanted }))
}

function escapeToken(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1')
}

function findDenied(manifest: Manifest): readonly ManifestFault[] {
  return manifest.map.flatMap((mapping, index) =>
    (['to', 'from'] as const).flatMap((key) => {
      const topic = findDeniedTopic(mapping[key] ?? '')
      if (topic === null) return []
      const wanted = `nothing of the deny list: ${topic.topic} (${topic.zh}, ${topic.law}) never enters the base data`
      return [{ pointer: `/map/${index}/${key}`, given: describe(mapping[key]), wanted }]
    }),
  )
}

function findCoverage(manifest: Manifest, dataset: Dataset): readonly ManifestFault[] {
  const counts = Map.groupBy(manifest.map, (mapping) => mapping.to)
  const repeated = [...counts].filter(([, mappings]) => mappings.length > 1)
  const missing = dataset.properties.filter(
    (property) => property.required && property.name !== RECORD_ID && !counts.has(`/${property.name}`),
  )
  return [
    ...repeated.map(([to, all]) => ({ pointer: '/map', given: `${all.length} mappings to ${to}`, wanted: 'one' })),
    ...missing.map(({ name }) => ({ pointer: '/map', given: 'nothing', wanted: `a mapping to the required /${name}` })),
  ]
}

/** `constructor` and its like would be read from the prototype of the row instead of from the row. */
function findPrototypeNames(manifest: Manifest): readonly ManifestFault[] {
  const { deletes, map, record } = manifest
  const pointers = [
    ['/record/id', record.id] as const,
    ['/record/updatedAt', record.updatedAt] as const,
    ...map.map((mapping, index) => [`/map/${index}/from`, mapping.from] as const),
    ...(deletes.kind === 'flag' ? [['/deletes/pointer', deletes.pointer] as const] : []),
  ]
  return pointers
    .filter(([, value]) => value?.split('/').some((token) => token !== '' && token in Object.prototype) ?? false)
    .map(([pointer, value]) => ({
      pointer,
      given: describe(value),
      wanted: 'a field name that is not built into JavaScript',
    }))
}

function findSourceFaults({ source }: Manifest): readonly ManifestFault[] {
  if (source.kind === 'sql') return findSqlSourceFaults(source)
  return source.kind === 'file' ? findDirectoryFaults(source) : []
}

/** Whether every run of a source reads all that it has. */
export function isReadWhole(source: Manifest['source']): boolean {
  if (source.kind === 'sql') return source.reading.kind === 'whole'
  return source.kind === 'http' && source.incremental === undefined
}

function findDirectoryFaults({ directory }: FileSourceManifest): readonly ManifestFault[] {
  if (!directory.split(/[/\\]/).includes('..')) return []
  return [{ pointer: '/source/directory', given: describe(directory), wanted: 'a path without ..' }]
}

/** What is absent tells of a deletion only where every run reads everything: a window or a dropped file holds a part. */
function findDeletesFaults({ deletes, source }: Manifest): readonly ManifestFault[] {
  if (deletes.kind !== 'missing' || isReadWhole(source)) return []
  const wanted =
    'flag or none, because a run of this source does not read everything: a window of time, a dropped file and a posted batch hold changes'
  return [{ pointer: '/deletes/kind', given: describe(deletes.kind), wanted }]
}

function isReadByWindows(source: Manifest['source']): boolean {
  if (source.kind === 'sql') return source.reading.kind === 'keyset'
  return source.kind === 'http' && source.incremental !== undefined
}

/** A run that reads everything compares by itself; a dropped file and an exchange table hold changes, not what there is. */
function findCompareFaults({ compare, source }: Manifest): readonly ManifestFault[] {
  if (compare === undefined || isReadByWindows(source)) return []
  const wanted = 'no compare: it is for sources that are read by windows of time'
  return [{ pointer: '/compare', given: describe(compare), wanted }]
}

function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

function findScheduleFaults({ schedule }: Manifest): readonly ManifestFault[] {
  const fields = schedule.cron.trim().split(/\s+/)
  const isCron = fields.length === CRON_FIELDS && fields.every((field) => CRON_FIELD.test(field))
  const blackout = schedule.blackout ?? []
  return [
    {
      holds: blackoutMinutes(blackout) < MINUTES_OF_DAY,
      key: 'blackout' as const,
      wanted: 'hours that leave some part of the day',
    },
    { holds: isCron, key: 'cron' as const, wanted: 'five fields: minute, hour, day, month, weekday' },
    {
      holds: isTimezone(schedule.timezone),
      key: 'timezone' as const,
      wanted: 'an IANA time zone such as Asia/Shanghai',
    },
  ]
    .filter((entry) => !entry.holds)
    .map(({ key, wanted }) => ({ pointer: `/schedule/${key}`, given: describe(schedule[key]), wanted }))
}

const SECRET_NAME = /secret|token|passw|pwd|api-?_?key|app-?_?key|signature|credential/i
const SENT_TEXT = /^\/source\/request\/(?:query|body\/fields|body\/parameters)\//
const VARIABLE = /^\{[a-z.]+\}$/
const USER_IN_URL = /^https?:\/\/[^/]*@/
const SECRET_WANTED = 'no secret in the manifest: name it, and give its value when the feed is registered'

function textsOf(value: unknown, pointer: string): readonly (readonly [string, string])[] {
  if (typeof value === 'string') return [[pointer, value]]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => textsOf(inner, `${pointer}/${escapeToken(key)}`))
}

function isSecretLiteral(pointer: string, text: string): boolean {
  const name = pointer.slice(pointer.lastIndexOf('/') + 1)
  if (SENT_TEXT.test(pointer) && SECRET_NAME.test(name) && text !== '' && !VARIABLE.test(text)) return true
  return looksSecret(text) || USER_IN_URL.test(text)
}

/** The parameters of a SOAP request are a list; here each stands under its name, as those of a query do. */
function soapTexts({ source }: Manifest): readonly (readonly [string, string])[] {
  const body = source.kind === 'http' ? source.request.body : undefined
  if (body?.kind !== 'soap') return []
  return body.parameters.map(({ name, value }) => [`/source/request/body/parameters/${name}`, value] as const)
}

function findSecrets(manifest: Manifest): readonly ManifestFault[] {
  const texts = [...textsOf(manifest.source, '/source'), ...soapTexts(manifest), ...textsOf(manifest.map, '/map')]
  return texts
    .filter(([pointer, text]) => !text.startsWith('/') && isSecretLiteral(pointer, text))
    .map(([pointer, text]) => ({ pointer, given: `a text of ${text.length}`, wanted: SECRET_WANTED }))
}

/** Tests rest in clear with their manifest, so nobody who lives may be in them. */
function findTruePersons({ tests = [] }: Manifest): readonly ManifestFault[] {
  return textsOf(tests, '/tests')
    .filter(([, text]) => holdsTruePersonalNumber(text))
    .map(([pointer, text]) => ({
      pointer,
      given: `a text of ${text.length}`,
      wanted: 'a number that is made up: county code 510599, telephone numbers from 1990',
    }))
}

/** Only a department of the registry may own a feed; the list is data, so that another one is added without a program. */
export function findDepartmentFaults(
  { feed }: Manifest,
  departments: ReadonlyMap<string, Department>,
): readonly ManifestFault[] {
  if (departments.has(feed.department)) return []
  const wanted = `a department of schemas/departments.json: ${[...departments.keys()].join(', ')}`
  return [{ pointer: '/feed/department', given: describe(feed.department), wanted }]
}

/** Everything wrong with a manifest that fits its schema, seen together with the datasets. */
export function findManifestFaults(
  manifest: Manifest,
  datasets: ReadonlyMap<string, Dataset>,
): readonly ManifestFault[] {
  const dataset = datasets.get(manifest.feed.dataset)
  const general = [
    findDenied,
    findPrototypeNames,
    findSourceFaults,
    findHttpFaults,
    findDeletesFaults,
    findCompareFaults,
    findScheduleFaults,
    findSecrets,
    findTruePersons,
  ].flatMap((find) => find(manifest))
  if (dataset === undefined || dataset.merge !== null) {
    const filled = [...datasets.values()].filter(({ merge }) => merge === null)
    const wanted = `one of ${filled.map(({ name }) => name).join(', ')}`
    return [{ pointer: '/feed/dataset', given: describe(manifest.feed.dataset), wanted }, ...general]
  }
  const properties = new Map(dataset.properties.map((property) => [property.name, property]))
  const mappings = manifest.map.flatMap((mapping, index) => findMappingFaults(mapping, index, properties))
  return [...mappings, ...findCoverage(manifest, dataset), ...general]
}
