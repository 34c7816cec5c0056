import { isObject } from './code-tables.ts'

/** One place where two JSON values differ. `before` is absent for what was added, `after` for what was removed. */
export interface Difference {
  readonly change: 'added' | 'removed' | 'changed'
  /** JSON pointer (RFC 6901). */
  readonly pointer: string
  readonly before?: unknown
  readonly after?: unknown
}

const escape = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1')

/** The members of an object or the entries of a list by their pointer part; null for a plain value. */
function membersOf(value: unknown): ReadonlyMap<string, unknown> | null {
  if (Array.isArray(value)) return new Map(value.map((entry, index) => [String(index), entry]))
  return isObject(value) ? new Map(Object.entries(value)) : null
}

const isSameKind = (one: unknown, other: unknown): boolean => Array.isArray(one) === Array.isArray(other)

/** Every difference between two JSON values, in the order of the old one, then what is new. The depth is that of the values. */
export function diffJson(before: unknown, after: unknown, pointer = ''): readonly Difference[] {
  const old = membersOf(before)
  const now = membersOf(after)
  if (old === null || now === null || !isSameKind(before, after)) {
    return Object.is(before, after) ? [] : [{ change: 'changed', pointer, before, after }]
  }
  const kept = [...old].flatMap(([key, value]) => {
    const at = `${pointer}/${escape(key)}`
    return now.has(key)
      ? diffJson(value, now.get(key), at)
      : [{ change: 'removed', pointer: at, before: value } as const]
  })
  const added = [...now].flatMap(([key, value]) =>
    old.has(key) ? [] : [{ change: 'added', pointer: `${pointer}/${escape(key)}`, after: value } as const],
  )
  return [...kept, ...added]
}

/** Whether two JSON values hold the same, whatever the order of their members. */
export const isSameJson = (one: unknown, other: unknown): boolean => diffJson(one, other).length === 0
