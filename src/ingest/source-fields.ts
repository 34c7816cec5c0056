import { isObject } from '../feeds/code-tables.ts'
import { findDeniedTopic } from '../feeds/deny-list.ts'
import type { Manifest, Paging } from '../feeds/manifest-types.ts'
import { readingColumns } from '../feeds/manifest-sql-rules.ts'
import { warn, type Findings } from './normalise.ts'

/** The steps of a JSON pointer (RFC 6901). */
export type Path = readonly string[]

export function parsePointer(pointer: string): Path {
  const tokens = pointer.split('/').slice(1)
  return tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** The value at the path, or undefined. Own members only: a row without `constructor` has no value there. */
export function readPath(row: Readonly<Record<string, unknown>>, path: Path): unknown {
  let value: unknown = row
  for (const token of path) {
    if (!isContainer(value) || !Object.hasOwn(value, token)) return undefined
    value = value[token]
  }
  return value
}

function isContainer(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

/** The fields a manifest names, as a tree: null where the value itself is used. */
export interface KnownFields {
  readonly children: ReadonlyMap<string, KnownFields | null>
}

function growTree(paths: readonly Path[]): KnownFields {
  const groups = Map.groupBy(paths, (path) => path[0] ?? '')
  const children = [...groups].map(([key, group]) => {
    const isValue = group.some((path) => path.length === 1)
    return [key, isValue ? null : growTree(group.map((path) => path.slice(1)))] as const
  })
  return { children: new Map(children) }
}

/** The fields a manifest names for whatever reason. */
export function knownFields(manifest: Manifest): KnownFields {
  return growTree(namedPointers(manifest).map(parsePointer))
}

function keyOf(paging: Paging): string | undefined {
  return paging.kind === 'keyset' ? paging.key : undefined
}

function namedPointers(manifest: Manifest): readonly string[] {
  const { deletes, map, record, source } = manifest
  const http = source.kind === 'http' ? [source.incremental?.tieBreaker, keyOf(source.paging)] : []
  const keyset = source.kind === 'sql' ? Object.values(readingColumns(source.reading)).map((name) => `/${name}`) : []
  const flag = deletes.kind === 'flag' ? deletes.pointer : undefined
  const pointers = [record.id, record.updatedAt, flag, ...http, ...keyset, ...map.map((mapping) => mapping.from)]
  return pointers.filter((pointer) => pointer !== undefined)
}

/** A source chooses its field names, so what is remembered about them is bounded. */
const REMEMBERED_FIELDS = 500
const LONGEST_NAME = 100

function createDenial(): (key: string) => boolean {
  const remembered = new Map<string, boolean>()
  return (key) => {
    const known = remembered.get(key)
    if (known !== undefined) return known
    const isDenied = findDeniedTopic(key.slice(0, LONGEST_NAME)) !== null
    if (remembered.size < REMEMBERED_FIELDS) remembered.set(key, isDenied)
    return isDenied
  }
}

const isFilled = (value: unknown): boolean => value !== undefined && value !== null && value !== ''

type SourceObject = Readonly<Record<string, unknown>>
type Found = (key: string, value: unknown) => void

/** Calls `found` with the name and the value of each of the keys that is not known, and of those inside the known ones. */
function listUnknown(row: SourceObject, keys: readonly string[], { children }: KnownFields, found: Found): void {
  for (const key of keys) {
    const inner = children.get(key)
    if (inner === null) continue
    const value = row[key]
    if (inner === undefined) found(key, value)
    else if (isObject(value)) listUnknown(value, Object.keys(value), inner, found)
  }
}

/** Calls `found` with the name and the value of each field of a row that the manifest does not name. */
export function createUnknownLister(manifest: Manifest): (row: SourceObject, found: Found) => void {
  const known = knownFields(manifest)
  return (row, found) => listUnknown(row, Object.keys(row), known, found)
}

/**
 * Looks over those fields of a row under `keys` that are not known: DQ-002 where there is one, DQ-091 where one of the
 * deny list arrives filled. They are never read further, so they are dropped either way.
 */
export function createFieldWatch(
  known: KnownFields,
): (row: SourceObject, keys: readonly string[], findings: Findings) => void {
  const isDenied = createDenial()
  return (row, keys, findings) => {
    if (keys.length === 0) return
    listUnknown(row, keys, known, (key, value) =>
      warn(findings, isFilled(value) && isDenied(key) ? 'DQ-091' : 'DQ-002'),
    )
  }
}
