import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AppError } from '../errors.ts'
import { isObject, readJsonObject } from './code-tables.ts'

const clockNames = [
  'unconditionalAnswerDays',
  'conditionalAnswerDays',
  'answerExtensionDays',
  'provisionDays',
  'correctionDays',
  'recallAcknowledgementDays',
  'catalogueUpdateDays',
  'catalogueUpdateExtensionDays',
  'catalogueReviewDays',
] as const

/** How grave an incident is: 一般, 较大, 重大, 特别重大. */
export const incidentLevels = ['ordinary', 'larger', 'major', 'extreme'] as const
export type IncidentLevel = (typeof incidentLevels)[number]

/** Somebody who has to be told of an incident, and within how many hours of its being known. */
export interface IncidentDuty {
  readonly duty: string
  readonly hours: number
  /** The least grave level that has to be told of. */
  readonly from: IncidentLevel
  readonly zh: string
  readonly en: string
  readonly source: string
}

/** Working days that each duty may take. */
export type Clocks = Readonly<Record<(typeof clockNames)[number], number>>

/**
 * What a jurisdiction fixes in numbers, `schemas/jurisdictions/<name>.json`. The Luzhou regulation sets none, so they are data: of
 * Decree 809 by default, of a stricter local rule where there is one.
 */
export interface Jurisdiction {
  readonly name: string
  readonly title: string
  readonly titleEn: string
  readonly edition: string
  readonly source: string
  readonly certainty: string
  readonly clocks: Clocks
  readonly incidentDuties: readonly IncidentDuty[]
}

const DEFAULT_DIRECTORY = fileURLToPath(new URL('../../schemas/', import.meta.url))
const FOLDER = 'jurisdictions'
const TEXTS = ['title', 'titleEn', 'edition', 'source', 'certainty']
/** A year of working days; a longer clock is a slip of the pen. */
const MOST_DAYS = 250

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''
const isDays = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MOST_DAYS

/** A year of hours. */
const MOST_HOURS = 8760
const isHours = (value: unknown): boolean =>
  Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MOST_HOURS

const isDuty = (value: unknown): boolean =>
  isObject(value) &&
  /^[a-z]+(-[a-z]+)*$/.test(String(value['duty'])) &&
  isHours(value['hours']) &&
  incidentLevels.some((level) => level === value['from']) &&
  ['zh', 'en', 'source'].every((text) => isText(value[text]))

/** At least one, and none twice. */
function areDuties(value: unknown): boolean {
  if (!Array.isArray(value) || value.length === 0 || !value.every(isDuty)) return false
  return new Set(value.map(({ duty }: IncidentDuty) => duty)).size === value.length
}

/** Throws AppError SCHEMA_INVALID at the first member that no jurisdiction has. */
function assertJurisdiction(
  file: string,
  value: Readonly<Record<string, unknown>>,
): asserts value is typeof value & Jurisdiction {
  const clocks = isObject(value['clocks']) ? value['clocks'] : {}
  const known = new Set<string>(clockNames)
  const members = [
    ...TEXTS.map((text) => ({ pointer: `/${text}`, holds: isText(value[text]), wanted: 'a text' })),
    { pointer: '/name', holds: `${String(value['name'])}.json` === file, wanted: 'the name of the file' },
    ...clockNames.map((name) => ({
      pointer: `/clocks/${name}`,
      holds: isDays(clocks[name]),
      wanted: `working days from 1 to ${MOST_DAYS}`,
    })),
    { pointer: '/clocks', holds: Object.keys(clocks).every((name) => known.has(name)), wanted: 'known clocks only' },
    {
      pointer: '/incidentDuties',
      holds: areDuties(value['incidentDuties']),
      wanted: `duties, each once, with hours from 1 to ${MOST_HOURS}, a level and texts`,
    },
  ]
  const wrong = members.find((member) => !member.holds)
  if (wrong === undefined) return
  throw new AppError(
    'SCHEMA_INVALID',
    `${FOLDER}/${file}#${wrong.pointer}: wanted ${wrong.wanted}; correct the jurisdiction`,
  )
}

/**
 * The jurisdiction called `name`. Throws AppError CONFIG_INVALID where there is no such file, SCHEMA_INVALID naming file and JSON
 * pointer of the first fault in it.
 */
export function loadJurisdiction(name: string, directory: string = DEFAULT_DIRECTORY): Jurisdiction {
  const file = `${name}.json`
  const path = join(directory, FOLDER, file)
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) || !existsSync(path))
    throw new AppError('CONFIG_INVALID', `JURISDICTION is "${name}"; give the name of a file in schemas/${FOLDER}/`)
  const value = readJsonObject(path, `${FOLDER}/${file}`)
  assertJurisdiction(file, value)
  return value
}
