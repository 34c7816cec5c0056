import type { Handle, Reply, Request } from './serve.ts'
import type { WholeList } from './whole-list.ts'

const LARGEST_PAGE = 10_000

/** A part of a list that a caller asks for: rows before it, and rows in it. */
interface Part {
  readonly offset: number
  readonly size: number
}

/** Parameters of a request by name: those of the query, or of a JSON body. */
type Parameters = (name: string) => unknown

export function queryOf({ query }: Request): Parameters {
  const asked = new URLSearchParams(query)
  return (name) => asked.get(name) ?? undefined
}

export function bodyOf({ body }: Request): Parameters {
  const value: unknown = JSON.parse(body.toString('utf8'))
  return (name) => (typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined)
}

function whole(value: unknown, fallback: number): number {
  return value === undefined ? fallback : Number(value)
}

/** The part that an offset and a size name, or null where they are no part. */
export function partAt(offset: unknown, size: unknown): Part | null {
  const part = { offset: whole(offset, 0), size: whole(size, 1000) }
  const isPart = Number.isSafeInteger(part.offset) && part.offset >= 0 && Number.isInteger(part.size)
  return isPart && part.size >= 1 && part.size <= LARGEST_PAGE ? part : null
}

/** The part that a page number from 1 and a size name, or null. */
export function partOfPage(page: unknown, size: unknown): Part | null {
  const rows = whole(size, 1000)
  return partAt((whole(page, 1) - 1) * rows, rows)
}

const NO_PART: Reply = { status: 400, body: { code: 400, message: 'page or size' } }

/** Answers the part of a list that a request names, in the shape that `tell` gives it. */
export function answerPart(
  list: WholeList,
  partOf: (request: Request) => Part | null,
  tell: (rows: readonly unknown[], part: Part, request: Request) => Reply,
): Handle {
  return (request) => {
    const part = partOf(request)
    return part === null ? NO_PART : tell(list.readRows(part.offset, part.size), part, request)
  }
}

/** GET ?offset=&limit= → {total, rows}. */
export function answerOffset(list: WholeList): Handle {
  return answerPart(
    list,
    (request) => {
      const asked = queryOf(request)
      return partAt(asked('offset'), asked('limit'))
    },
    (rows) => ({ status: 200, body: { total: list.total(), rows } }),
  )
}

/** GET ?page=&<size>= with the next page in a Link header (RFC 8288), while there is one. */
export function answerLinked(list: WholeList, size: string, tell: (rows: readonly unknown[]) => unknown): Handle {
  return answerPart(
    list,
    (request) => partOfPage(queryOf(request)('page'), queryOf(request)(size)),
    (rows, part, { path }) => {
      const end = part.offset + part.size
      const next = `<${path}?page=${end / part.size + 1}&${size}=${part.size}>; rel="next"`
      return { status: 200, body: tell(rows), ...(end < list.total() ? { headers: { link: next } } : {}) }
    },
  )
}
