import type { Manifest } from '../src/feeds/manifest-types.ts'
import { withWindow } from '../src/ingest/read-window.ts'
import { unchanged, type ManifestChange } from './cursor-manifest.ts'
import { changeFile, product, withChangedProduct, type CodeChange } from './cursor-product.ts'
import { kinds } from './cursor-kinds.ts'
import { proveKind } from './cursor-play.ts'

/** One thing taken away that no feed can do without: a setting of the manifest or a place of the code. */
interface Removal {
  readonly name: string
  readonly kind: string
  readonly manifest?: ManifestChange
  readonly code?: CodeChange
}

const windowRemovals = (kind: string): readonly Removal[] => [
  { name: 'no settle window', kind, manifest: (given) => withWindow(given, { settleSeconds: 0 }) },
  { name: 'no look-back', kind, manifest: (given) => withWindow(given, { lookbackSeconds: 0 }) },
]

/** A keyset by the update time alone: rows that share the last row's time are passed over. */
function keyByTime(manifest: Manifest): Manifest {
  const { source } = manifest
  if (source.kind !== 'http' || source.paging.kind !== 'keyset') return manifest
  const request = { ...source.request, query: { ...source.request.query, by: 'at' } }
  return { ...manifest, source: { ...source, request, paging: { ...source.paging, key: '/at' } } }
}

const removals: readonly Removal[] = [
  { name: 'no tie-breaker', kind: 'http keyset', manifest: keyByTime },
  ...(['http offset', 'http page'] as const).map((kind) => ({
    name: 'places are counted on when rows leave',
    kind,
    code: {
      file: 'src/ingest/sources/http.ts',
      find: /if \(hasShrunk\([^]*? : next\n/,
      replace: 'return advancePlace(read, page, manifest.paging, recordId)\n',
    },
  })),
  {
    name: 'no tie-breaker',
    kind: 'sql keyset, PostgreSQL',
    code: {
      file: 'src/ingest/sources/sql-statements.ts',
      find: /sql`\(\$\{high\}, \$\{low\}\) > \(\$\{highest\}, \$\{lowest\}\)`/,
      replace: 'sql`${high} > ${highest}`',
    },
  },
  {
    name: 'no tie-breaker',
    kind: 'sql keyset, MariaDB',
    code: {
      file: 'src/ingest/sources/sql-statements.ts',
      find: /sql`\(\$\{high\} > \$\{highest\} or \(.*\)\)`/,
      replace: 'sql`${high} > ${highest}`',
    },
  },
  {
    name: 'posted rows are removed before they are saved',
    kind: 'push',
    code: {
      file: 'src/ingest/sources/push.ts',
      find: /last = chunk\n/,
      replace: `last = chunk\nawait (await import('../../store/push-batches.ts')).takeChunk(database.query, chunk, { valid: 0, rejected: 0 })\n`,
    },
  },
  {
    name: 'an unmarked file is overtaken',
    kind: 'file',
    code: {
      file: 'src/ingest/sources/file-drop.ts',
      find: /if \(first === marked\) return announce\(marked\)/,
      replace: 'return announce(marked)',
    },
  },
  ...windowRemovals('http token'),
  ...windowRemovals('sql keyset, PostgreSQL'),
]

export interface RemovalVerdict {
  readonly name: string
  readonly kind: string
  readonly lost: number
  readonly unended: number
  /** True when the kit saw rows being lost, or a reading that never ends, as it must. */
  readonly noticed: boolean
}

/**
 * Real time is dear: each removal there lost rows in nearly every schedule. Where places are counted on, one schedule in ten
 * loses a row, and simulated time costs 30 ms a schedule.
 */
const schedulesOf = (kind: string): number => ((kinds[kind]?.sideBySide ?? 1) > 1 ? 8 : 150)

async function judge(
  { name, kind, manifest = unchanged, code }: Removal,
  seed: number,
  most: number,
): Promise<RemovalVerdict> {
  const schedules = Math.min(most, schedulesOf(kind))
  const prove = (cast: typeof product) => proveKind(kind, schedules, seed, { product: cast, change: manifest })
  const { lost, unended } = code === undefined ? await prove(product) : await withChangedProduct(code, prove)
  return { name, kind, lost, unended, noticed: lost + unended > 0 }
}

/** Names of the removals whose place is no longer in the product: they must be written anew. */
export const findStaleRemovals = (): readonly string[] =>
  removals
    .filter(({ code }) => code !== undefined && changeFile(code) === null)
    .map(({ name, kind }) => `${kind}: ${name}`)

/** Takes one thing away after the other, for the kinds that `wanted` names, in `most` schedules each. A kit that loses nothing then is blind. */
export async function judgeRemovals(
  wanted: readonly string[],
  seed: number,
  most = Infinity,
): Promise<readonly RemovalVerdict[]> {
  const verdicts: RemovalVerdict[] = []
  for (const removal of removals.filter(({ kind }) => wanted.includes(kind))) {
    verdicts.push(await judge(removal, seed, most))
  }
  return verdicts
}
