import type { Dataset } from '../feeds/datasets.ts'
import type { Manifest } from '../feeds/manifest-types.ts'
import { compileMapping } from './map.ts'
import { checks, type CheckId, type Evidence, type Finding } from './prove-checks.ts'
import { takeSample, type Sample } from './prove-sample.ts'
import { OPEN_ENDED, windowOf, withWindow } from './read-window.ts'
import type { Source } from './sources/source.ts'
import { validate } from './validate.ts'

/** What a proof of one feed came to: the department's go-live certificate. It holds counts, times and codes, no values. */
export interface FeedProof {
  readonly feed: string
  /** RFC 3339. */
  readonly takenAt: string
  readonly seconds: number
  readonly rows: number
  readonly pages: number
  /** True when no check failed. */
  readonly ok: boolean
  readonly findings: Readonly<Record<CheckId, Finding>>
}

export interface ProofRequest {
  readonly manifest: Manifest
  readonly dataset: Dataset
  /** Opens the department's system with a manifest that differs in its window alone. */
  readonly open: (manifest: Manifest) => Promise<Source>
  /** About how long reading may take. */
  readonly seconds: number
}

const HOUR_MS = 3_600_000

/** How far back the newest rows are looked for, until there are enough of them; then from the window's start. */
const spansMs = [HOUR_MS, 24 * HOUR_MS, 30 * 24 * HOUR_MS] as const
const ENOUGH_ROWS = 200

/** The manifest that reads what changed since `since`, up to beyond the present. */
function newestSince(manifest: Manifest, since: number): Manifest {
  const start = Math.max(since, Date.parse(windowOf(manifest)?.start ?? ''))
  return withWindow(manifest, { ...OPEN_ENDED, start: new Date(start).toISOString() })
}

type Counts = Record<string, number>

/** Counts the rows that the dataset would refuse, by the first rule. */
function countRejections({ manifest, dataset }: ProofRequest, counts: Counts): (rows: readonly unknown[]) => void {
  const mapRow = compileMapping(manifest, dataset)
  return (rows) => {
    const { rejected } = validate(
      rows.map((value, row) => mapRow({ row, value })),
      dataset,
    )
    for (const { reasons } of rejected) {
      const rule = reasons[0]?.rule ?? 'DQ-005'
      counts[rule] = (counts[rule] ?? 0) + 1
    }
  }
}

interface FirstReading {
  readonly sample: Sample
  /** As it was read, to be read so again. */
  readonly manifest: Manifest
  readonly rejected: Readonly<Record<string, number>>
}

/** The newest rows: enough of them to say something, or all there are. A source without a window is read from its beginning. */
async function readNewest(request: ProofRequest, now: Date, endsAt: number): Promise<FirstReading> {
  const all = windowOf(request.manifest) === null
  const starts = all ? [] : spansMs.map((span) => now.getTime() - span)
  for (const since of [...starts, 0]) {
    const manifest = all ? request.manifest : newestSince(request.manifest, since)
    const rejected: Counts = {}
    const onRows = countRejections(request, rejected)
    const sample = await takeSample({ manifest, open: () => request.open(manifest), now, endsAt, onRows })
    const isEnough = sample.rows.length >= ENOUGH_ROWS || !sample.ended || sample.fault !== null || since === 0
    if (isEnough) return { sample, manifest, rejected }
  }
  throw new Error('the last span is always enough')
}

/** A window that begins ahead of the present: nothing can be in it. */
async function readNothing({ manifest, open }: ProofRequest, now: Date, endsAt: number): Promise<Sample | null> {
  if (windowOf(manifest) === null) return null
  const ahead = newestSince(manifest, now.getTime() + 2 * HOUR_MS)
  return takeSample({ manifest: ahead, open: () => open(ahead), now, endsAt })
}

/**
 * Puts to a department's system, by reading alone, the questions on which it depends whether its feed loses rows: does paging
 * end, is the total kept, are rows in order and ids unique, are rows that are read again the same, how late are commits. Takes at
 * most about `seconds`; what could not be said in that time is undecided. Keeps nothing of any row.
 */
export async function proveFeed(request: ProofRequest): Promise<FeedProof> {
  const now = new Date()
  const endsAt = now.getTime() + request.seconds * 1000
  const half = now.getTime() + request.seconds * 500
  const { sample, manifest, rejected } = await readNewest(request, now, half)
  const again = { manifest, open: () => request.open(manifest), now: new Date(), endsAt }
  const evidence: Evidence = {
    manifest: request.manifest,
    first: sample,
    second: await takeSample(again),
    empty: await readNothing(request, now, endsAt + 1000),
    rejected,
  }
  const findings = Object.fromEntries(Object.entries(checks).map(([id, check]) => [id, check(evidence)])) as Record<
    CheckId,
    Finding
  >
  return {
    feed: request.manifest.feed.code,
    takenAt: now.toISOString(),
    seconds: Math.round((Date.now() - now.getTime()) / 100) / 10,
    rows: sample.rows.length,
    pages: sample.pages.length,
    ok: Object.values(findings).every(({ outcome }) => outcome !== 'failed'),
    findings,
  }
}
