import type { Manifest, ReadWindow } from '../feeds/manifest-types.ts'

/**
 * How far beyond the source's present a compare reads. A row that changes while everything is read moves ahead of the
 * reader, who meets it there; with a settled edge it would leave the window unseen and be taken for deleted. A day is longer
 * than any such reading and any skew of clocks.
 */
const AHEAD_SECONDS = 86_400

const openEnded = (window: ReadWindow): ReadWindow => ({ ...window, settleSeconds: -AHEAD_SECONDS })

/** The manifest of an incremental feed as one run reads everything: from the window's start and with an open upper edge. */
export function readingEverything(manifest: Manifest): Manifest {
  const { source } = manifest
  if (source.kind === 'http' && source.incremental !== undefined) {
    const incremental = { ...source.incremental, window: openEnded(source.incremental.window) }
    return { ...manifest, source: { ...source, incremental } }
  }
  if (source.kind !== 'sql' || source.reading.kind !== 'keyset') return manifest
  const reading = { ...source.reading, window: openEnded(source.reading.window) }
  return { ...manifest, source: { ...source, reading } }
}
