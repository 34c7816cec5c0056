import { Type, type Static, type TSchema } from 'typebox'
import { toAppError } from '../errors.ts'
import type { Reporter } from '../sharing/corrections.ts'
import { decodePlace, encodePlace } from '../sharing/notice-cursor.ts'
import type { ChangePlace } from '../store/changes.ts'
import { auditDenial, type ClientContext } from './clients.ts'
import { describeRoute } from './management.ts'

/** The description of a route for consumers. */
export const describeSharing = <Answer extends TSchema>(
  operationId: string,
  summary: string,
  answer: Answer,
  description = '',
) => ({ ...describeRoute(operationId, summary, answer, description), tags: ['sharing'] })

const DEFAULT_LIMIT = 100

/** How a consumer asks for what it is told, page by page. */
export const NoticeQuery = Type.Object({
  cursor: Type.Optional(
    Type.String({ maxLength: 200, description: 'From an earlier answer; none means from the beginning' }),
  ),
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 500, default: DEFAULT_LIMIT, description: 'Items in one page at most' }),
  ),
})

/** What every page in commit order ends with. */
export const pageEnd = {
  cursor: Type.String({ description: 'Opaque; give it back to go on from here' }),
  hasMore: Type.Boolean({ description: 'true: ask again at once; false: ask again later with the same cursor' }),
}

interface Page<Item> {
  readonly items: readonly Item[]
  readonly cursor: string
  readonly hasMore: boolean
}

/** The page that is asked for. `read` is asked for one item more than it holds. Throws CURSOR_INVALID. */
export async function readPage<Item extends ChangePlace>(
  { cursor, limit = DEFAULT_LIMIT }: Static<typeof NoticeQuery>,
  read: (after: ChangePlace, most: number) => Promise<readonly Item[]>,
): Promise<Page<Item>> {
  const after = decodePlace(cursor)
  const found = await read(after, limit + 1)
  const items = found.slice(0, limit)
  return { items, cursor: encodePlace(items.at(-1) ?? after), hasMore: found.length > limit }
}

/** Writes down that the consumer was refused, and passes the refusal on. Throws AUDIT_UNAVAILABLE. */
export async function refusing<Result>(
  context: ClientContext,
  { name }: Reporter,
  dataset: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    const { status, code } = toAppError(error)
    if (status === 403) await auditDenial(context, `consumer:${name}`, code, dataset)
    throw error
  }
}
