import { AppError } from '../errors.ts'
import type { CatalogueEntry, LegalBasis } from '../feeds/legal-basis.ts'
import type { FeedState } from '../feeds/life.ts'
import type { Manifest } from '../feeds/manifest-types.ts'
import type { Query } from './database.ts'

/** What people write and review together. */
export interface FeedContent {
  readonly manifest: Manifest
  readonly legalBasis: LegalBasis | null
  readonly catalogue: CatalogueEntry | null
}

/** The accounts that signed a version; null where nobody has yet. */
export interface Signatures {
  readonly submittedBy: number | null
  readonly reviewedBy: number | null
  readonly approvedBy: number | null
  readonly activatedBy: number | null
}

/** What a test batch came to: counts and rule ids, no values. */
export interface TestReport {
  readonly passed: boolean
  readonly pulled: number
  readonly valid: number
  readonly rejected: number
  /** How often each rule rejected or warned. */
  readonly rules: Readonly<Record<string, number>>
  /** RFC 3339 */
  readonly testedAt: string
}

/** A numbered version of a feed. */
export interface FeedVersion extends FeedContent, Signatures {
  readonly feedId: number
  readonly version: number
  readonly state: FeedState
  readonly origin: 'operator' | 'account'
  readonly note: string
  /** The version that this one repeats; null where it repeats none. */
  readonly equalTo: number | null
  readonly authorId: number | null
  readonly testReport: TestReport | null
  /** Why it was last returned, refused, suspended or retired. */
  readonly reason: string | null
  readonly createdAt: Date
}

export interface NewVersion extends FeedContent {
  readonly feedId: number
  readonly authorId: number
  readonly note: string
  readonly equalTo: number | null
}

const VERSION_COLUMNS = `feed_id as "feedId", version, state, origin, manifest, legal_basis as "legalBasis", catalogue, note,
  equal_to as "equalTo", author_id as "authorId", submitted_by as "submittedBy", reviewed_by as "reviewedBy",
  approved_by as "approvedBy", activated_by as "activatedBy", test_report as "testReport", reason, created_at as "createdAt"`

const json = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))

/** Writes the next version as a draft; the feed must be locked, and have no version that is being prepared. */
export async function insertVersion(query: Query, version: NewVersion): Promise<number> {
  const [row] = await query<{ version: number }>(
    `insert into feed_version (feed_id, version, state, origin, manifest, legal_basis, catalogue, note, equal_to, author_id)
       select $1, coalesce(max(version), 0) + 1, 'draft', 'account', $2, $3, $4, $5, $6::int, $7::int
         from feed_version where feed_id = $1
       returning version`,
    [
      version.feedId,
      JSON.stringify(version.manifest),
      json(version.legalBasis),
      json(version.catalogue),
      version.note,
      version.equalTo,
      version.authorId,
    ],
  )
  return row?.version ?? 0
}

/** Writes a draft anew. What was signed or tested before was another text, so it goes. */
export async function rewriteDraft(query: Query, number: number, version: NewVersion): Promise<void> {
  await query(
    `update feed_version set manifest = $3, legal_basis = $4, catalogue = $5, note = $6, author_id = $7, equal_to = $8,
            submitted_by = null, reviewed_by = null, approved_by = null, test_report = null
      where feed_id = $1 and version = $2 and state = 'draft'`,
    [
      version.feedId,
      number,
      JSON.stringify(version.manifest),
      json(version.legalBasis),
      json(version.catalogue),
      version.note,
      version.authorId,
      version.equalTo,
    ],
  )
}

/** Every version of a feed, the newest first. */
export async function listVersions(query: Query, feedId: number): Promise<readonly FeedVersion[]> {
  return query<FeedVersion>(
    `select ${VERSION_COLUMNS} from feed_version where feed_id = $1 order by version desc limit 1000`,
    [feedId],
  )
}

/** Throws VERSION_UNKNOWN. */
export async function findVersion(query: Query, feedId: number, version: number): Promise<FeedVersion> {
  const [found] = await query<FeedVersion>(
    `select ${VERSION_COLUMNS} from feed_version where feed_id = $1 and version = $2`,
    [feedId, version],
  )
  if (found === undefined) throw new AppError('VERSION_UNKNOWN', `version ${version}`)
  return found
}

/** Moves a version to another state with the signatures it has then. The feed must be locked. */
export async function moveVersion(
  query: Query,
  { feedId, version }: Pick<FeedVersion, 'feedId' | 'version'>,
  state: FeedState,
  signatures: Signatures,
  reason: string | null,
): Promise<void> {
  await query(
    `update feed_version set state = $3, submitted_by = $4, reviewed_by = $5, approved_by = $6, activated_by = $7, reason = $8
      where feed_id = $1 and version = $2`,
    [
      feedId,
      version,
      state,
      signatures.submittedBy,
      signatures.reviewedBy,
      signatures.approvedBy,
      signatures.activatedBy,
      reason,
    ],
  )
}

export async function saveTestReport(
  query: Query,
  { feedId, version }: Pick<FeedVersion, 'feedId' | 'version'>,
  report: TestReport,
): Promise<boolean> {
  const rows = await query(
    `update feed_version set test_report = $3 where feed_id = $1 and version = $2 and state = 'testing' returning version`,
    [feedId, version, JSON.stringify(report)],
  )
  return rows.length === 1
}

/** Stops what runs of the feed are alive; whoever works on one loses the right to save its page. Returns how many there were. */
export async function stopRunsOfFeed(query: Query, feedId: number): Promise<number> {
  const rows = await query(
    `update run set state = 'stopped', reason = 'FEED_STATE', lease_until = null, finished_at = clock_timestamp()
      where feed_id = $1 and state not in ('done', 'stopped') returning run_id`,
    [feedId],
  )
  return rows.length
}

/** Names of accounts by their id. */
export async function nameAccounts(
  query: Query,
  ids: readonly (number | null)[],
): Promise<ReadonlyMap<number, string>> {
  const rows = await query<{ id: number; name: string }>(
    'select account_id as id, name from account where account_id = any($1::int[])',
    [ids.filter((id) => id !== null)],
  )
  return new Map(rows.map(({ id, name }) => [id, name]))
}

/** A feed as lists show it. */
export interface FeedSummary {
  readonly code: string
  readonly department: string
  readonly dataset: string
  readonly title: string
  readonly state: FeedState
  readonly liveVersion: number | null
  readonly openVersion: number | null
  readonly openState: FeedState | null
}

/** Feeds of a department, or of all where it is null. */
export async function summariseFeeds(query: Query, department: string | null): Promise<readonly FeedSummary[]> {
  return query<FeedSummary>(
    `select code, department, dataset.name as dataset, coalesce(live.manifest, open.manifest, feed.manifest)->'feed'->>'title' as title, feed.state,
            live.version as "liveVersion", open.version as "openVersion", open.state as "openState"
       from feed join dataset using (dataset_id)
       left join feed_version live on live.feed_id = feed.feed_id and live.state in ('active', 'suspended')
       left join feed_version open on open.feed_id = feed.feed_id
         and open.state in ('draft', 'department-review', 'security-review', 'testing')
      where $1::text is null or department = $1 order by code limit 5000`,
    [department],
  )
}

/** What the live and the prepared versions of the feeds of a dataset say. */
export async function listManifestsOf(
  query: Query,
  dataset: string,
): Promise<readonly { code: string; department: string; version: number; state: FeedState; manifest: Manifest }[]> {
  return query(
    `select code, department, version, feed_version.state, feed_version.manifest
       from feed_version join feed using (feed_id) join dataset using (dataset_id)
      where dataset.name = $1 and feed_version.state <> 'retired' order by code, version limit 5000`,
    [dataset],
  )
}

/** The live version of every feed that has a catalogue entry, and the codes of live feeds without one. */
export async function listCatalogue(
  query: Query,
): Promise<readonly { code: string; dataset: string; manifest: Manifest; catalogue: CatalogueEntry | null }[]> {
  return query(
    `select code, dataset.name as dataset, live.manifest, live.catalogue
       from feed join dataset using (dataset_id) join feed_version live using (feed_id)
      where live.state in ('active', 'suspended') order by code limit 5000`,
  )
}
