import type { Pointer } from '../../feeds/manifest-types.ts'

/**
 * The value at a JSON pointer (RFC 6901), or undefined where there is none. Only own properties are seen, so a pointer
 * cannot reach into a prototype.
 */
export function readPointer(value: unknown, pointer: Pointer): unknown {
  let at = value
  for (const segment of pointer.split('/').slice(1)) {
    at = ownProperty(at, segment.replaceAll('~1', '/').replaceAll('~0', '~'))
  }
  return at
}

function ownProperty(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.getOwnPropertyDescriptor(value, name)?.value
}
