import type { Manifest } from '../feeds/manifest-types.ts'
import type { Sample, SampledRow } from './prove-sample.ts'
import { windowOf } from './read-window.ts'

/** `undecided`: there was too little time or too few rows to say. */
export type Outcome = 'passed' | 'failed' | 'undecided' | 'not-applicable'

/** What was found, in numbers, units in the names. No values of rows. */
export type Figure = Readonly<Record<string, number | string>>

export interface Finding {
  readonly outcome: Outcome
  readonly figure: Figure
}

/** Everything that was seen of a department's system. */
export interface Evidence {
  readonly manifest: Manifest
  /** The newest rows, read with an open upper edge; the whole source where it has no window. */
  readonly first: Sample
  /** The same, read again. */
  readonly second: Sample
  /** A window in which there can be nothing yet; null where the source has no window. */
  readonly empty: Sample | null
  /** Rows of the first reading by the first rule that refused them. */
  readonly rejected: Readonly<Record<string, number>>
}

type Check = (evidence: Evidence) => Finding

const passed = (figure: Figure = {}): Finding => ({ outcome: 'passed', figure })
const failed = (figure: Figure): Finding => ({ outcome: 'failed', figure })
const undecided = (figure: Figure = {}): Finding => ({ outcome: 'undecided', figure })
const notApplicable: Finding = { outcome: 'not-applicable', figure: {} }
const judged = (holds: boolean, figure: Figure): Finding => (holds ? passed(figure) : failed(figure))

/** Whether rows say when they were changed. */
const hasTimes = ({ manifest }: Evidence): boolean =>
  manifest.record.updatedAt !== undefined || (manifest.source.kind === 'sql' && windowOf(manifest) !== null)

const answers: Check = ({ first }) => {
  if (first.fault !== null && first.pages.length === 0) return failed({ code: first.fault })
  return passed({ pages: first.pages.length, rows: first.rows.length })
}

const pagingEnds: Check = ({ first }) => {
  const figure = { pages: first.pages.length, rows: first.rows.length }
  if (first.ended) return passed(figure)
  return first.fault === null ? undecided(figure) : failed({ ...figure, code: first.fault })
}

const noRepeatedPage: Check = ({ first, second }) => {
  const repeated = [first, second].filter(({ fault }) => fault === 'SOURCE_PAGE_REPEATED').length
  return judged(repeated === 0, { pages: first.pages.length + second.pages.length, repeated })
}

const totalIsKept: Check = ({ first }) => {
  if (first.total === null) return notApplicable
  const figure = { stated: first.total, received: first.rows.length }
  return first.ended ? judged(first.rows.length >= first.total, figure) : undecided(figure)
}

const everyRowHasAnId: Check = ({ first: { rows } }) => {
  const without = rows.filter(({ id }) => id === null).length
  return rows.length === 0 ? undecided() : judged(without === 0, { rows: rows.length, without })
}

const everyRowHasATime: Check = (evidence) => {
  const { rows } = evidence.first
  if (!hasTimes(evidence)) return notApplicable
  const without = rows.filter(({ at }) => at === null).length
  return rows.length === 0 ? undecided() : judged(without === 0, { rows: rows.length, without })
}

/** One id twice in one reading is a tie-breaker that breaks no tie, unless the row only moved on meanwhile. */
const idsAreUnique: Check = ({ first: { rows } }) => {
  const seen = new Map<string, SampledRow>()
  let doubled = 0
  for (const row of rows) {
    if (row.id === null) continue
    const before = seen.get(row.id)
    if (before !== undefined && before.at === row.at && before.content !== row.content) doubled += 1
    seen.set(row.id, row)
  }
  return rows.length === 0 ? undecided() : judged(doubled === 0, { rows: rows.length, doubled })
}

const rowsComeInOrder: Check = (evidence) => {
  const { rows } = evidence.first
  if (!hasTimes(evidence) || windowOf(evidence.manifest) === null) return notApplicable
  const back = rows.filter((row, place) => (row.at ?? 0) < (rows[place - 1]?.at ?? 0)).length
  return rows.length < 2 ? undecided({ rows: rows.length }) : judged(back === 0, { rows: rows.length, back })
}

/** Rows of one time that fill a page are told apart by their place alone, which moves when rows leave; a stated total shows that. */
const tiesFitAPage: Check = (evidence) => {
  const { source } = evidence.manifest
  const isCounted = source.kind === 'http' && (source.paging.kind === 'offset' || source.paging.kind === 'page')
  if (!isCounted || !hasTimes(evidence) || source.incremental === undefined) return notApplicable
  const { rows, total } = evidence.first
  const ties = [...Map.groupBy(rows, ({ at }) => at).values()].reduce((most, { length }) => Math.max(most, length), 0)
  const figure = { largestGroup: ties, pageSize: source.paging.size, statesTotal: total === null ? 'no' : 'yes' }
  return rows.length === 0 ? undecided(figure) : judged(total !== null || ties < source.paging.size, figure)
}

const nothingOfTheFuture: Check = (evidence) => {
  const { manifest, first, second } = evidence
  const window = windowOf(manifest)
  const times = second.rows.flatMap(({ at }) => at ?? [])
  if (window === null || !hasTimes(evidence)) return notApplicable
  if (times.length === 0) return undecided()
  const newest = times.reduce((latest, at) => Math.max(latest, at), 0)
  const ahead = Math.max(0, Math.round((newest - Math.max(first.startedAt, second.startedAt)) / 1000))
  return judged(ahead <= window.settleSeconds, { aheadSeconds: ahead, settleSeconds: window.settleSeconds })
}

/** Rows by id, as they were last in one reading. */
const byId = ({ rows }: Sample): ReadonlyMap<string, SampledRow> =>
  new Map(rows.flatMap((row) => (row.id === null ? [] : [[row.id, row] as const])))

const isWhole = ({ first, second }: Evidence): boolean => first.ended && second.ended && first.rows.length > 0

/** A row that changed without a later time would never be read again; one that is gone without a word is a lost deletion. */
const readAgainIsTheSame: Check = (evidence) => {
  const [before, after] = [byId(evidence.first), byId(evidence.second)]
  let silent = 0
  let gone = 0
  for (const [id, row] of before) {
    const again = after.get(id)
    if (again === undefined) gone += 1
    else if (hasTimes(evidence) && again.at === row.at && again.content !== row.content) silent += 1
  }
  const figure = { rows: before.size, changedWithoutTime: silent, gone }
  return isWhole(evidence) ? judged(silent + gone === 0, figure) : undecided(figure)
}

/** A row that was not there before and carries an older time was committed late by at least that much. */
const commitsAreNotTooLate: Check = (evidence) => {
  const window = windowOf(evidence.manifest)
  if (window === null || !hasTimes(evidence)) return notApplicable
  const before = byId(evidence.first)
  const readAt = evidence.first.startedAt
  const late = evidence.second.rows
    .filter(({ id, at }) => id !== null && at !== null && at < readAt && (before.get(id)?.at ?? -1) < at)
    .map(({ at }) => Math.round((readAt - (at ?? readAt)) / 1000))
  const lateSeconds = Math.max(0, ...late.slice(0, 10_000))
  const allowed = window.settleSeconds + window.lookbackSeconds
  const figure = { lateRows: late.length, lateSeconds, allowedSeconds: allowed }
  return isWhole(evidence) ? judged(lateSeconds <= allowed, figure) : undecided(figure)
}

const clocksAgree: Check = ({ manifest, first: { skewMs } }) => {
  const window = windowOf(manifest)
  if (window === null || skewMs === null) return notApplicable
  // Our clock sets the window's upper edge, so the settle window must cover what theirs is behind. A header tells seconds.
  const figure = { skewMs, settleSeconds: window.settleSeconds }
  return judged(Math.abs(skewMs) <= window.settleSeconds * 1000 + 2000, figure)
}

const emptyWindowIsEmpty: Check = ({ empty }) => {
  if (empty === null) return notApplicable
  if (empty.fault !== null) return failed({ code: empty.fault })
  return empty.ended ? judged(empty.rows.length === 0, { rows: empty.rows.length }) : undecided()
}

/** The time that the manifest gives one answer; a file has none. */
function timeoutOf({ source }: Manifest): number | null {
  if (source.kind === 'http') return source.timeouts.totalMs
  return source.kind === 'sql' ? source.timeoutMs : null
}

const answersInTime: Check = ({ manifest, first, second }) => {
  const limit = timeoutOf(manifest)
  const times = [...first.pages, ...second.pages].map(({ milliseconds }) => milliseconds).sort((a, b) => a - b)
  if (limit === null || times.length === 0) return notApplicable
  const [p50, p95, longest] = [0.5, 0.95, 1].map((share) => times[Math.ceil(times.length * share) - 1] ?? 0)
  // An answer that takes half its time today runs out of it on a busy day.
  return judged((longest ?? 0) * 2 <= limit, {
    p50Ms: p50 ?? 0,
    p95Ms: p95 ?? 0,
    longestMs: longest ?? 0,
    limitMs: limit,
  })
}

const pagesAreEnough: Check = ({ manifest, first }) => {
  const figure = { pages: first.pages.length, allowedPages: manifest.limits.pages }
  if (first.fault === 'SOURCE_LIMIT_EXCEEDED') return failed(figure)
  if (first.pages.length * 2 > manifest.limits.pages) return failed(figure)
  return first.ended ? passed(figure) : undecided(figure)
}

const rowsAreGood: Check = ({ manifest, first, rejected }) => {
  const count = Object.values(rejected).reduce((sum, rows) => sum + rows, 0)
  const { records, ratio } = manifest.quality.errorBudget
  const figure = { rows: first.rows.length, ...rejected }
  if (first.rows.length === 0) return undecided()
  return judged(count <= records || count <= first.rows.length * ratio, figure)
}

/** Every question put to a department's system, in the order of the report. */
export const checks = {
  answers,
  'paging-ends': pagingEnds,
  'no-repeated-page': noRepeatedPage,
  'total-kept': totalIsKept,
  'pages-enough': pagesAreEnough,
  'ids-present': everyRowHasAnId,
  'ids-unique': idsAreUnique,
  'times-present': everyRowHasATime,
  'rows-in-order': rowsComeInOrder,
  'ties-fit-page': tiesFitAPage,
  'no-future-times': nothingOfTheFuture,
  'reread-same': readAgainIsTheSame,
  'late-commits': commitsAreNotTooLate,
  'clock-skew': clocksAgree,
  'empty-window': emptyWindowIsEmpty,
  'answer-times': answersInTime,
  'rows-good': rowsAreGood,
} as const satisfies Readonly<Record<string, Check>>

export type CheckId = keyof typeof checks
