import type { Manifest, ReadWindow } from '../feeds/manifest-types.ts'

/** The window of an incremental feed; null for a source that is read in another way. */
export function windowOf({ source }: Manifest): ReadWindow | null {
  if (source.kind === 'http') return source.incremental?.window ?? null
  return source.kind === 'sql' && source.reading.kind !== 'whole' ? source.reading.window : null
}

/** The manifest with parts of its window replaced. A source that has none is left as it is. */
export function withWindow(manifest: Manifest, change: Partial<ReadWindow>): Manifest {
  const { source } = manifest
  if (source.kind === 'http' && source.incremental !== undefined) {
    const incremental = { ...source.incremental, window: { ...source.incremental.window, ...change } }
    return { ...manifest, source: { ...source, incremental } }
  }
  if (source.kind !== 'sql' || source.reading.kind === 'whole') return manifest
  const reading = { ...source.reading, window: { ...source.reading.window, ...change } }
  return { ...manifest, source: { ...source, reading } }
}

/**
 * How far beyond the source's present an open-ended reading goes. A row that changes while everything is read moves ahead of
 * the reader, who meets it there; with a settled edge it would leave the window unseen and be taken for deleted. A day is
 * longer than any such reading and any skew of clocks.
 */
export const OPEN_ENDED: Partial<ReadWindow> = { settleSeconds: -86_400 }

/** The manifest of an incremental feed as one run reads everything: from the window's start and with an open upper edge. */
export function readingEverything(manifest: Manifest): Manifest {
  return withWindow(manifest, OPEN_ENDED)
}
