import { hashOf, inclusionRanges, type ReadNode } from './merkle.ts'

/**
 * The proof of one entry as C2SP tlog-proof has it: index, path and signed checkpoint, with the body as its extra data, so that the file
 * alone proves that exactly these bytes are in the log. `size` is the number of leaves that the note states.
 */
export function writeProof(
  entry: { readonly index: number; readonly body: Uint8Array },
  head: { readonly size: number; readonly note: string },
  read: ReadNode,
): string {
  const path = inclusionRanges(entry.index, { start: 0, end: head.size }).map((range) => hashOf(range, read))
  return [
    'c2sp.org/tlog-proof@v1',
    `extra ${Buffer.from(entry.body).toString('base64')}`,
    `index ${entry.index}`,
    ...path.map((hash) => hash.toString('base64')),
    '',
    head.note,
  ].join('\n')
}
