import type { Dataset, Property } from '../feeds/datasets.ts'
import { citizenNumberFault, holdsPersonalNumber, isOrganisationCode } from '../feeds/formats.ts'
import { RECORD_ID } from '../feeds/manifest-rules.ts'
import type { Fields, Reason } from '../record.ts'
import { contradicts, findNumberFault, isDamaged } from './certificate-checks.ts'

/** What a check may look at. `today` is yyyy-MM-dd in China Standard Time. */
interface Subject {
  readonly fields: Fields
  readonly dataset: Dataset
  readonly today: string
}

/** One rule across the fields of a record: adds a reason to `reasons` for each breach. */
interface QualityCheck {
  /** The check runs for datasets that have all of these properties. */
  readonly needs: readonly string[]
  readonly check: (subject: Subject, reasons: Reason[]) => void
}

const isText = (value: unknown): value is string => typeof value === 'string'

function checkRecordId({ fields }: Subject, reasons: Reason[]): void {
  const id = fields[RECORD_ID]
  if (isText(id) && holdsPersonalNumber(id)) reasons.push({ rule: 'DQ-003', field: RECORD_ID })
}

function checkCertificate({ fields, dataset, today }: Subject, reasons: Reason[]): void {
  if (dataset.subject === null) return
  const { type, number } = dataset.subject
  const given = fields[number]
  if (!isText(given)) return
  const rule = findNumberFault(fields[type], given, today)
  if (rule !== null) reasons.push({ rule, field: number })
  else if (contradicts(given, fields['birthDate'], fields['sex'])) reasons.push({ rule: 'DQ-015', field: number })
}

/** Shown as it is, and neither a list of codes nor a format narrows what it may hold. */
const isOpenlyShown = ({ mask, codes, values, format, type }: Property): boolean =>
  mask === 'NONE' &&
  codes === null &&
  values === null &&
  (format === null || format === 'gb-code') &&
  type !== 'boolean'

const shownFields = new WeakMap<Dataset, readonly string[]>()

function shownFieldsOf(dataset: Dataset): readonly string[] {
  const known = shownFields.get(dataset)
  if (known !== undefined) return known
  const names = dataset.properties.filter(isOpenlyShown).map(({ name }) => name)
  shownFields.set(dataset, names)
  return names
}

/** A column that slipped brings numbers of persons into fields that nobody masks. */
function checkShownFields({ fields, dataset }: Subject, reasons: Reason[]): void {
  for (const field of shownFieldsOf(dataset)) {
    const value = fields[field]
    if ((isText(value) || typeof value === 'number') && holdsPersonalNumber(String(value))) {
      reasons.push({ rule: 'DQ-093', field })
    }
  }
}

const creditCodes = ['uscc', 'ownerUscc']

/** One citizen number in 31 is a well-formed credit code too, and credit codes are shown as they are. */
function checkCreditCodes({ fields, today }: Subject, reasons: Reason[]): void {
  for (const field of creditCodes) {
    const code = fields[field]
    if (isText(code) && citizenNumberFault(code, today) === null) reasons.push({ rule: 'DQ-093', field })
  }
}

/** Certificate numbers without a certificate type beside them. */
const untypedNumbers = ['permitNo', 'legalRepCertNumber']

function checkUntypedNumbers({ fields }: Subject, reasons: Reason[]): void {
  for (const field of untypedNumbers) {
    const number = fields[field]
    if (isText(number) && isDamaged(number)) reasons.push({ rule: 'DQ-011', field })
  }
}

/** The organisation code is characters 9 to 17 of the credit code. */
function checkOrganisationBody({ fields }: Subject, reasons: Reason[]): void {
  const code = fields['uscc']
  if (isText(code) && !isOrganisationCode(code.slice(8, 17))) reasons.push({ rule: 'DQ-021', field: 'uscc' })
}

const TOWN_LENGTH = 9
const COMMUNITY_LENGTH = 12

/** Codes that start with a town or county that must be in the table of divisions, and how long that start is. */
const dividedFields: readonly { readonly field: string; readonly length: number }[] = [
  { field: 'gridCode', length: TOWN_LENGTH },
  { field: 'communityCode', length: TOWN_LENGTH },
  { field: 'townCode', length: TOWN_LENGTH },
  { field: 'divisionCode', length: 6 },
]

function checkDivisions({ fields, dataset }: Subject, reasons: Reason[]): void {
  for (const { field, length } of dividedFields) {
    const code = fields[field]
    if (isText(code) && !dataset.divisions.codes.has(code.slice(0, length))) reasons.push({ rule: 'DQ-030', field })
  }
}

/** An exclusive grid may lie over several communities (Art. 9), so only the other kinds must agree. */
function checkCommunity({ fields }: Subject, reasons: Reason[]): void {
  const { communityCode: community, gridCode: grid, gridKind } = fields
  if (!isText(community)) return
  if (isText(grid) && gridKind !== 'EXCLUSIVE' && grid.slice(0, COMMUNITY_LENGTH) !== community) {
    reasons.push({ rule: 'DQ-031', field: 'communityCode' })
  }
  for (const field of ['townCode', 'divisionCode']) {
    const higher = fields[field]
    if (isText(higher) && !community.startsWith(higher)) reasons.push({ rule: 'DQ-031', field })
  }
}

/** A rough box around Luzhou in degrees; outside it is a doubt, not an error. */
const WEST = 105
const EAST = 106.6
const SOUTH = 27.5
const NORTH = 29.5
const TRUSTED_SYSTEMS: ReadonlySet<unknown> = new Set([undefined, 'CGCS2000'])

function checkCoordinates({ fields }: Subject, reasons: Reason[]): void {
  const { lon, lat, crs } = fields
  if (lon === undefined && lat === undefined) return
  const isPlaced = typeof lon === 'number' && typeof lat === 'number'
  const isInside = isPlaced && lon >= WEST && lon <= EAST && lat >= SOUTH && lat <= NORTH
  if (!isInside || !TRUSTED_SYSTEMS.has(crs)) reasons.push({ rule: 'DQ-033', field: 'lon' })
}

/** Dates that cannot lie in the future, and pairs of which the first cannot be after the second. */
const pastFields = ['residenceSince', 'establishDate', 'eventDate', 'receivedDate', 'closedDate']
const orderedFields = [
  ['residenceSince', 'permitExpiry'],
  ['validFrom', 'validTo'],
  ['birthDate', 'eventDate'],
  ['receivedDate', 'deadline'],
  ['receivedDate', 'closedDate'],
] as const

function checkDates({ fields, today }: Subject, reasons: Reason[]): void {
  for (const field of pastFields) {
    const date = fields[field]
    if (isText(date) && date > today) reasons.push({ rule: 'DQ-060', field })
  }
  for (const [first, second] of orderedFields) {
    const from = fields[first]
    const to = fields[second]
    if (isText(from) && isText(to) && to < from) reasons.push({ rule: 'DQ-060', field: second })
  }
}

const qualityChecks: readonly QualityCheck[] = [
  { needs: [RECORD_ID], check: checkRecordId },
  { needs: [], check: checkShownFields },
  { needs: [], check: checkCreditCodes },
  { needs: [], check: checkCertificate },
  { needs: [], check: checkUntypedNumbers },
  { needs: ['uscc'], check: checkOrganisationBody },
  { needs: ['gridCode'], check: checkDivisions },
  { needs: ['communityCode'], check: checkCommunity },
  { needs: ['lon', 'lat'], check: checkCoordinates },
  { needs: [], check: checkDates },
]

const checksByDataset = new WeakMap<Dataset, readonly QualityCheck[]>()

function checksOf(dataset: Dataset): readonly QualityCheck[] {
  const known = checksByDataset.get(dataset)
  if (known !== undefined) return known
  const names = new Set(dataset.properties.map((property) => property.name))
  const checks = qualityChecks.filter((entry) => entry.needs.every((name) => names.has(name)))
  checksByDataset.set(dataset, checks)
  return checks
}

/** Every breach of the schema and of the rules across fields; what it costs the record is in the rule table. */
export function findBreaches(fields: Fields, dataset: Dataset, today: string): readonly Reason[] {
  const reasons: Reason[] = []
  const subject: Subject = { fields, dataset, today }
  for (const { check } of checksOf(dataset)) check(subject, reasons)
  const broken = dataset.check(fields)
  return broken.length === 0 ? reasons : [...broken, ...reasons]
}
