import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import type { Dataset } from '../feeds/datasets.ts'
import { conflictRules } from '../feeds/merge-schema.ts'
import { viewConflicts, type ViewedConflict } from '../ingest/conflict-view.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { MERGED_FEED } from '../store/changes.ts'
import { findFeed } from '../store/feeds.ts'
import { readSubjects } from '../store/records.ts'
import { insertLinkDecision, linkReasons, type LinkReason, type LinkVerdict } from '../store/person-links.ts'
import { readScoped } from '../store/row-scope.ts'
import { actorOf, assertPermitted, recogniseAccount } from './accounts.ts'
import type { ClientContext } from './clients.ts'
import { DEPARTMENT, FEED_CODE } from './feed-schemas.ts'
import { problemAnswers } from './problem-schema.ts'

interface PersonsContext extends ClientContext {
  readonly datasets: ReadonlyMap<string, Dataset>
}

const nullable = (description: string) => Type.Union([Type.String(), Type.Null()], { description })

const ConflictRecord = Type.Object({
  feed: Type.String({ description: 'Feed that the record came by' }),
  department: Type.String({ description: 'Department that stated it' }),
  recordId: nullable("Record id at the source; null where it is another department's"),
  value: nullable("What it states, masked; null where it is suppressed or another department's"),
})

const rules = Object.entries(conflictRules)
  .map(([rule, { zh, en }]) => `${rule} ${zh}, ${en}`)
  .join('; ')

const Conflict = Type.Object(
  {
    person: Type.String({ description: 'Id of the merged person, as in the dataset person' }),
    field: Type.String({ description: 'Property of the dataset person that they contradict each other in' }),
    rule: Type.String({ description: rules }),
    decidedBy: Type.String({
      enum: ['authority', 'recency', 'completeness', 'identity'],
      description: 'Why the first side was believed',
    }),
    foundAt: Type.String({ format: 'date-time', description: 'When it was found first' }),
    sides: Type.Array(Type.Array(ConflictRecord), { description: 'Records that agree; the first side was believed' }),
  },
  { title: 'PersonConflict' },
)

const ConflictPage = Type.Object(
  {
    conflicts: Type.Array(Conflict, { description: 'In the order of person and field' }),
    cursor: nullable('Give it back to go on; null: these were the last'),
  },
  { title: 'PersonConflictPage' },
)

const DEFAULT_LIMIT = 100

const ConflictQuery = Type.Object({
  department: Type.Optional(
    Type.String({
      pattern: DEPARTMENT,
      maxLength: 60,
      description: 'Only conflicts it is a party to; an account of a department sees its own',
    }),
  ),
  cursor: Type.Optional(Type.String({ maxLength: 200, description: 'From an earlier answer' })),
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 500, default: DEFAULT_LIMIT, description: 'Conflicts in one page at most' }),
  ),
})

const reasons = Object.entries(linkReasons)
  .map(([reason, { zh }]) => `${reason} ${zh}`)
  .join('; ')

const LinkBody = Type.Object(
  {
    feed: Type.String({ pattern: FEED_CODE, maxLength: 40, description: 'Feed of the record' }),
    recordId: Type.String({ minLength: 1, maxLength: 128, description: 'Record id at the source' }),
    decision: Type.String({
      enum: ['part', 'join'],
      description: 'part: the record is a person of its own; join: it belongs to everybody of its certificate again',
    }),
    reason: Type.String({
      enum: Object.keys(linkReasons),
      description: `A closed list, so that it names nobody: ${reasons}`,
    }),
  },
  { title: 'LinkDecision', additionalProperties: false },
)

const LinkAnswer = Type.Object(
  { decision: Type.Integer({ description: 'Number of the decision; the merge follows it within seconds' }) },
  { title: 'LinkDecided' },
)

const encodeCursor = ({ person, field }: Pick<ViewedConflict, 'person' | 'field'>): string =>
  Buffer.from(`1.${person}.${field}`).toString('base64url')

/** Throws CURSOR_INVALID. */
function decodeCursor(cursor: string | undefined): Pick<ViewedConflict, 'person' | 'field'> | null {
  if (cursor === undefined || cursor === '') return null
  const parts = /^1\.([\da-f]{32})\.([A-Za-z\d]{1,60})$/.exec(Buffer.from(cursor, 'base64url').toString('utf8'))
  if (parts === null) throw new AppError('CURSOR_INVALID', 'give back a cursor from an earlier answer, or none')
  return { person: parts[1] ?? '', field: parts[2] ?? '' }
}

/** The records whose values are shown. */
const ownRecords = ({ sides }: ViewedConflict) =>
  sides.flat().flatMap(({ feed, recordId }) => (recordId === null ? [] : [{ feed, recordId }]))

const toAnswer = ({ foundAt, person, sides, ...conflict }: ViewedConflict) => ({
  ...conflict,
  person: `${MERGED_FEED.code}/${person}`,
  foundAt: foundAt.toISOString(),
  sides: sides.map((side) => [...side]),
})

const describe = (operationId: string, summary: string) => ({
  operationId,
  tags: ['management'],
  summary,
  security: [{ token: [] }],
})

const conflictSchema = {
  ...describe('listPersonConflicts', '部门间人员信息冲突 / Where departments contradict each other about a person'),
  querystring: ConflictQuery,
  response: {
    200: { description: '一页冲突 / One page of conflicts', content: { 'application/json': { schema: ConflictPage } } },
    ...problemAnswers,
  },
}

const linkSchema = {
  ...describe('decidePersonLink', '拆分或恢复人员记录关联 / Part a record from a person, or join it again'),
  body: LinkBody,
  response: {
    200: { description: '已登记 / Written down', content: { 'application/json': { schema: LinkAnswer } } },
    ...problemAnswers,
  },
}

const eventOf = { part: 'person.parted', join: 'person.joined' } as const satisfies Record<LinkVerdict, string>

/**
 * GET /api/v1/persons/conflicts and POST /api/v1/persons/links: what reviewers need to see where departments contradict each
 * other, and to part records that were linked wrongly.
 */
export const personsRoutes: FastifyPluginAsyncTypebox<PersonsContext> = async (server, context) => {
  const { database, datasets, keys, auditDeadlineMs } = context

  server.get('/api/v1/persons/conflicts', { schema: conflictSchema }, async (request, reply) => {
    const account = await recogniseAccount(context, request.headers.authorization)
    const department = request.query.department ?? account.department
    await assertPermitted(context, account, 'person-conflict.read', department)
    const limit = request.query.limit ?? DEFAULT_LIMIT
    const after = decodeCursor(request.query.cursor)
    const viewed = { viewer: account.department, department, after, limit }
    const conflicts = await readScoped(database, account.department, (read) => viewConflicts(read, datasets, viewed))
    const subjects = keys.personTokens(await readSubjects(database.query, conflicts.flatMap(ownRecords)))
    await auditBeforeAnswer(database, 'conflicts.read', auditDeadlineMs, ({ audit }) =>
      audit({
        type: 'conflicts.read',
        actor: actorOf(account),
        outcome: 'ok',
        count: conflicts.length,
        subjects,
        details: { department },
      }),
    )
    void reply.header('cache-control', 'no-store')
    const last = conflicts.length < limit ? undefined : conflicts.at(-1)
    return { conflicts: conflicts.map(toAnswer), cursor: last === undefined ? null : encodeCursor(last) }
  })

  server.post('/api/v1/persons/links', { schema: linkSchema }, async (request) => {
    const account = await recogniseAccount(context, request.headers.authorization)
    const { feed, recordId } = request.body
    const [decision, reason] = [request.body.decision as LinkVerdict, request.body.reason as LinkReason]
    const owner = await findFeed(database.query, feed)
    await assertPermitted(context, account, 'person-link.decide', owner.department)
    const by = actorOf(account)
    const number = await database.transaction(async ({ query, audit }) => {
      const decided = await insertLinkDecision(query, { feed, recordId, decision, reason, by })
      const fact = { actor: by, outcome: 'ok', feed, object: `link-decision/${decided}` } as const
      await audit({ ...fact, type: eventOf[decision], details: { reason } })
      return decided
    })
    return { decision: number }
  })
}
