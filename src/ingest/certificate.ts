import { isSettled, settle } from '../feeds/certificate.ts'
import type { Dataset } from '../feeds/datasets.ts'
import { warn, type Findings } from './normalise.ts'

/** Certificate type and number of the person a record names, made one. Changes `fields`, which the caller is still building. */
export function settleCertificate(dataset: Dataset, fields: Record<string, unknown>, findings: Findings): void {
  if (dataset.subject === null) return
  const { type, number } = dataset.subject
  const given = fields[number]
  if (typeof given !== 'string') return
  const certificate = { type: fields[type], number: given }
  if (isSettled(certificate)) return
  const settled = settle(certificate)
  if (settled.rule === null) return
  fields[type] = settled.type
  fields[number] = settled.number
  warn(findings, settled.rule)
}
