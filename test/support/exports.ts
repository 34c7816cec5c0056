import { gunzipSync } from 'node:zlib'
import { withCitizenCheck } from '../../demo/city/certificates.ts'
import { openBytes } from '../../src/security/seal.ts'
import { boundOfPart } from '../../src/sharing/export-part.ts'
import { requestExport } from '../../src/sharing/export-request.ts'
import { workOnExport, type ExportContext, type ExportSlice } from '../../src/sharing/export.ts'
import { findAgreement } from '../../src/store/agreements.ts'
import { findExport, type Export } from '../../src/store/exports.ts'
import { createResidentRow } from '../feeds/sample-manifest.ts'
import type { TestInstallation } from './installation.ts'

const digits = (value: number, length: number): string => String(value).padStart(length, '0')

/** A citizen number of nobody, another one for each index: born in 1900 to 1904. */
export function numberOf(index: number): string {
  const [year, month, day] = [index % 5, (Math.floor(index / 5) % 12) + 1, (Math.floor(index / 60) % 27) + 2]
  const born = `190${year}${digits(month, 2)}${digits(day, 2)}`
  return withCitizenCheck(`510502${born}${digits(Math.floor(index / 1620) * 2 + (index % 2), 3)}`)
}

/** Source rows of residents, each another person, `R-<first>` to `R-<last>`; `change` replaces members by index. */
export function strangerRows(
  first: number,
  last: number,
  change: (index: number) => Readonly<Record<string, unknown>> = () => ({}),
): readonly Readonly<Record<string, unknown>>[] {
  return Array.from({ length: last - first + 1 }, (_, place) => {
    const index = first + place
    const number = numberOf(index)
    const sex = Number(number.at(16)) % 2 === 1 ? '男' : '女'
    return createResidentRow({ id: `R-${index}`, zjhm: number, csrq: number.slice(6, 14), xb: sex, ...change(index) })
  })
}

export const rules: ExportContext['exportRules'] = { persons: 10_000, hours: 24, k: 5 }

/** Everything that an export is made with; files of ten records, so that there are several. */
export const exportContext = (installation: TestInstallation, change: Partial<ExportContext> = {}): ExportContext => ({
  ...installation,
  auditDeadlineMs: 2000,
  exportRules: rules,
  partRecords: 10,
  sliceEndsAt: Date.now() + 20_000,
  ...change,
})

export async function askForExport(
  installation: TestInstallation,
  consumerId: number,
  dataset = 'resident',
): Promise<Export> {
  const agreement = await findAgreement(installation.database.query, consumerId, dataset)
  return requestExport({ ...installation, auditDeadlineMs: 2000 }, agreement)
}

/** Works on the export slice by slice until there is nothing to do now, or somebody else has it. */
export async function workToEnd(context: ExportContext, exportId: number): Promise<ExportSlice> {
  for (;;) {
    const slice = await workOnExport({ ...context, sliceEndsAt: Date.now() + 20_000 }, exportId)
    if (slice.outcome !== 'more') return slice
  }
}

/** Asks for an export and makes it. */
export async function makeExport(
  installation: TestInstallation,
  consumerId: number,
  change: Partial<ExportContext> = {},
): Promise<Export> {
  const { exportId } = await askForExport(installation, consumerId)
  await workToEnd(exportContext(installation, change), exportId)
  return findExport(installation.database.query, exportId, consumerId)
}

/** A line of a file. */
export interface ExportedLine {
  readonly id: string
  readonly version: number
  readonly operation: string
  readonly record: Readonly<Record<string, unknown>>
}

export const linesOf = (file: Uint8Array): readonly ExportedLine[] =>
  gunzipSync(file)
    .toString('utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as ExportedLine)

/** The files of an export as they rest, opened behind the door's back. */
export async function openParts(
  { asOwner, keys }: TestInstallation,
  exportId: number,
): Promise<readonly (readonly ExportedLine[])[]> {
  const parts = await asOwner<{ number: number; sealed: Buffer }>(
    'select number, sealed from gridbridge.export_part where export_id = $1 order by number',
    [exportId],
  )
  return parts.map(({ number, sealed }) => linesOf(openBytes(keys.sealKey, boundOfPart(exportId, number), sealed)))
}
