import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { KeyRing } from '../security/key-ring.ts'
import { openBytes, sealBytes } from '../security/seal.ts'
import type { ClassMembers } from '../store/export-classes.ts'
import type { ExportDraft } from '../store/export-parts.ts'
import { toFile, type FileLine, type Line } from './export-part.ts'

const CLASS_HEX = 32
const NO_CLASS = '0'.repeat(CLASS_HEX)
/** Half of the token of a person: that two of one class share it by chance would only make the class look smaller. */
const PERSON_HEX = 16

/** A keyed digest of how a record's person looks; keyed by the export too, so that two exports cannot be put together by it. */
const classOf = (keys: KeyRing, exportId: number, { subject, values }: Line): string =>
  subject === null ? NO_CLASS : keys.token('share', `export-class|${exportId}|${values}`)

const boundOf = (exportId: number, number: number): string => `export-draft|${exportId}|${number}`

/** Lines that wait for the classes to be counted, and whom they add to which class. */
export async function makeDraft(
  keys: KeyRing,
  exportId: number,
  number: number,
  lines: readonly Line[],
): Promise<{ readonly draft: ExportDraft; readonly members: ClassMembers }> {
  const classed = lines.map((line) => ({ line, class: classOf(keys, exportId, line) }))
  const named = classed.filter(({ line }) => line.subject !== null)
  const marked = lines.map(({ subject, text }) => ({ text: `${subject ?? ''}${text}` }))
  const sealed = sealBytes(keys.sealing, boundOf(exportId, number), await toFile(marked))
  const pack = (texts: readonly string[]): Buffer => Buffer.from(texts.join(''), 'hex')
  return {
    draft: { number, sealed, classes: pack(classed.map((one) => one.class)) },
    members: {
      count: named.length,
      classes: pack(named.map((one) => one.class)),
      persons: pack(named.map(({ line }) => (line.subject ?? '').slice(0, PERSON_HEX))),
    },
  }
}

/** A line of a draft with the class that it belongs to; null: it names nobody. */
export interface DraftLine extends FileLine {
  readonly class: string | null
}

const expand = promisify(gunzip)

/** Throws SEAL_BROKEN. */
export async function openDraft(
  keys: KeyRing,
  exportId: number,
  { number, sealed, classes }: ExportDraft,
): Promise<readonly DraftLine[]> {
  const file = await expand(openBytes(keys.sealKey, boundOf(exportId, number), sealed))
  const all = Buffer.from(classes).toString('hex')
  return file
    .toString('utf8')
    .split('\n')
    .slice(0, -1)
    .map((marked, place) => {
      const text = marked.slice(marked.indexOf('{'))
      const own = all.slice(place * CLASS_HEX, (place + 1) * CLASS_HEX)
      const { id } = JSON.parse(text) as { readonly id: string }
      const subject = marked.slice(0, marked.length - text.length) || null
      return { text, feed: id.slice(0, id.indexOf('/')), subject, class: own === NO_CLASS ? null : own }
    })
}
