import { isIP } from 'node:net'
import { findDeniedTopic } from './deny-list.ts'
import { describe, type ManifestFault } from './manifest-errors.ts'
import type { SqlFilter, SqlReading, SqlSourceManifest } from './manifest-types.ts'

/** Deeper trees are no rule that a person can check; the most seen in a department's interface document is 3. */
const DEEPEST_FILTER = 6
const MOST_COMPARISONS = 100

/** One comparison of a filter tree and where it is. */
interface Comparison {
  readonly pointer: string
  readonly column: string
}

/** The columns that reading goes by, by their names in the manifest. All must be read: a cursor is made of them. */
export function readingColumns(reading: SqlReading): Readonly<Record<string, string>> {
  if (reading.kind === 'whole') return { id: reading.id }
  if (reading.kind === 'keyset') return { updatedAt: reading.updatedAt, id: reading.id }
  const { operationTime, id, sequence } = reading
  return { operationTime, id, ...(sequence === undefined ? {} : { sequence }) }
}

/** The column that says when a row last changed; undefined where reading does not go by one. */
export function changeColumn(reading: SqlReading): string | undefined {
  const { updatedAt, operationTime } = readingColumns(reading)
  return updatedAt ?? operationTime
}

function findColumnFaults({ columns, reading }: SqlSourceManifest): readonly ManifestFault[] {
  return Object.entries(readingColumns(reading))
    .filter(([, column]) => !columns.includes(column))
    .map(([key, column]) => ({
      pointer: `/source/reading/${key}`,
      given: describe(column),
      wanted: 'one of /source/columns',
    }))
}

function findTlsFaults({ driver, host, tls }: SqlSourceManifest): readonly ManifestFault[] {
  if (tls.kind === 'off') return []
  if (driver === 'dameng') {
    const wanted =
      'off, because the driver of Dameng takes certificates from its own files only; lead it through a tunnel'
    return [{ pointer: '/source/tls/kind', given: describe(tls.kind), wanted }]
  }
  if (tls.serverName !== undefined || (isIP(host) === 0 && driver !== 'oracle')) return []
  const wanted =
    driver === 'oracle'
      ? 'the distinguished name in the server’s certificate, which Oracle’s driver compares'
      : 'the name in the server’s certificate, because host is an address'
  return [{ pointer: '/source/tls/serverName', given: 'nothing', wanted }]
}

/** All comparisons of a tree, or null where it is deeper than anyone needs. Bounded, so that a hostile tree costs nothing. */
function comparisonsOf(filter: SqlFilter, pointer: string, depth = 1): readonly Comparison[] | null {
  if (depth > DEEPEST_FILTER) return null
  if ('column' in filter) return [{ pointer: `${pointer}/column`, column: filter.column }]
  const inner =
    filter.kind === 'not'
      ? [comparisonsOf(filter.filter, `${pointer}/filter`, depth + 1)]
      : filter.filters.map((one, place) => comparisonsOf(one, `${pointer}/filters/${place}`, depth + 1))
  const found = inner.filter((comparisons) => comparisons !== null)
  return found.length < inner.length ? null : found.flat()
}

function findFilterFaults({ filter }: SqlSourceManifest): readonly ManifestFault[] {
  if (filter === undefined) return []
  const pointer = '/source/filter'
  const comparisons = comparisonsOf(filter, pointer)
  if (comparisons === null || comparisons.length > MOST_COMPARISONS) {
    const wanted = `a tree of at most ${DEEPEST_FILTER} levels and ${MOST_COMPARISONS} comparisons; make a view of more`
    return [{ pointer, given: 'a larger tree', wanted }]
  }
  return comparisons.flatMap(({ pointer: at, column }) => {
    const topic = findDeniedTopic(column)
    if (topic === null) return []
    const wanted = `no choice by ${topic.topic} (${topic.zh}, ${topic.law}); let the department make a view`
    return [{ pointer: at, given: describe(column), wanted }]
  })
}

/** Everything wrong with a database source that fits its schema. */
export function findSqlSourceFaults(source: SqlSourceManifest): readonly ManifestFault[] {
  return [findColumnFaults, findTlsFaults, findFilterFaults].flatMap((find) => find(source))
}
