import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import { dayOf, isDate } from '../feeds/formats.ts'
import { readLedger, readUsage, type LedgerPlace, type Period } from '../store/usage.ts'
import { consumerSecurity } from './clients.ts'
import { asPlugin, describeRoute, type Route } from './management.ts'
import { admitViewer } from './viewer.ts'

const count = (description: string) => Type.Integer({ minimum: 0, description })

const feedFacts = {
  feed: Type.String({ description: 'Code of the feed; GB-PERSON-001 for merged persons' }),
  department: Type.Union([Type.String(), Type.Null()], {
    description: 'Department that owns the feed; null for merged persons, which are of several',
  }),
  answers: count('Answers and deliveries that held something of it'),
  records: count('Records and tombstones; what comes twice counts twice'),
  persons: count('Of these the records that name a person'),
}

const purposes = Type.Array(Type.String(), { description: 'Items of the service list under which something left' })
const Day = (description: string) =>
  Type.String({ pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$', maxLength: 10, description })
const dates = { from: Day('First day, China Standard Time'), to: Day('Last day') }

const UsageView = Type.Object(
  {
    ...dates,
    agreements: Type.Array(
      Type.Object({
        agreement: Type.String({ description: 'Number and version of the agreement' }),
        consumer: Type.String({ description: 'Name of the consumer' }),
        dataset: Type.String({ description: 'Dataset' }),
        purposes,
        answers: count('Answers and deliveries, those without a record too'),
        records: count('Records and tombstones of the feeds that may be seen'),
        persons: count('Of these the records that name a person'),
        lastUsedAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], {
          description: 'Last answer or delivery; null where there was none',
        }),
        feeds: Type.Array(Type.Object(feedFacts), { description: 'Feeds whose records left, by code' }),
      }),
      { description: 'By consumer and dataset, those that were not used too' },
    ),
  },
  { title: 'Usage' },
)

const LedgerView = Type.Object(
  {
    ...dates,
    entries: Type.Array(
      Type.Object({
        day: Type.String({ description: 'China Standard Time' }),
        consumer: Type.String({ description: 'Who received' }),
        agreementId: Type.Integer({ description: 'Number of the agreement' }),
        dataset: Type.String({ description: 'Dataset' }),
        purposes,
        ...feedFacts,
      }),
      { description: 'By day, agreement and feed' },
    ),
    cursor: Type.Union([Type.String(), Type.Null()], {
      description: 'Give it back to go on; null: these were the last',
    }),
  },
  { title: 'Ledger' },
)

const DEFAULT_LIMIT = 500

const PeriodQuery = Type.Object({
  from: Type.Optional(Day('First day, yyyy-MM-dd; none means 29 days before the last one')),
  to: Type.Optional(Day('Last day, yyyy-MM-dd; none means today')),
})

const LedgerQuery = Type.Intersect([
  PeriodQuery,
  Type.Object({
    cursor: Type.Optional(Type.String({ maxLength: 100, description: 'From an earlier answer' })),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1000, default: DEFAULT_LIMIT, description: 'Entries in one page at most' }),
    ),
  }),
])

const DAY_MS = 86_400_000
/** Records of provision are kept for three years. */
const MOST_DAYS = 3 * 366

/** Throws REQUEST_INVALID. */
function readPeriod({ from, to }: { readonly from?: string; readonly to?: string }): Period {
  const last = to ?? dayOf(new Date())
  if (!isDate(last) || (from !== undefined && !isDate(from)))
    throw new AppError('REQUEST_INVALID', 'querystring/from, querystring/to: wanted days, yyyy-MM-dd')
  const first = from ?? new Date(Date.parse(last) - 29 * DAY_MS).toISOString().slice(0, 10)
  const days = (Date.parse(last) - Date.parse(first)) / DAY_MS
  if (days < 0 || days > MOST_DAYS)
    throw new AppError('REQUEST_INVALID', `querystring/from: wanted at most ${MOST_DAYS} days, up to querystring/to`)
  return { from: first, to: last }
}

const encodeCursor = ({ day, agreementId, feedId }: LedgerPlace): string =>
  Buffer.from(`1.${day}.${agreementId}.${feedId}`).toString('base64url')

/** Throws CURSOR_INVALID. */
function decodeCursor(cursor: string | undefined): LedgerPlace | null {
  if (cursor === undefined || cursor === '') return null
  const [, day = '', agreementId, feedId] =
    /^1\.(\d{4}-\d{2}-\d{2})\.(\d{1,9})\.(\d{1,9})$/.exec(Buffer.from(cursor, 'base64url').toString('utf8')) ?? []
  if (!isDate(day)) throw new AppError('CURSOR_INVALID', 'give back a cursor from an earlier answer, or none')
  return { day, agreementId: Number(agreementId), feedId: Number(feedId) }
}

const showUsageRoute: Route = (server, context) => {
  const summary = '使用统计 / What left under each agreement: own for a consumer, of its feeds for a department'
  const schema = {
    ...describeRoute('showUsage', summary, UsageView),
    security: consumerSecurity,
    querystring: PeriodQuery,
  }
  server.get('/api/v1/usage', { schema }, async (request) => {
    const { query } = request
    const scope = await admitViewer(context, request, 'usage.read')
    const period = readPeriod(query)
    const used = await readUsage(context.database.query, scope, period)
    const agreements = used.map(({ purposes: served, feeds, lastUsedAt, ...use }) => ({
      ...use,
      purposes: [...served],
      lastUsedAt: lastUsedAt?.toISOString() ?? null,
      feeds: [...feeds],
    }))
    return { ...period, agreements }
  })
}

const showLedgerRoute: Route = (server, context) => {
  const summary = '共享台账 / Who received how much of which feed, day by day'
  const schema = {
    ...describeRoute('showLedger', summary, LedgerView),
    security: consumerSecurity,
    querystring: LedgerQuery,
  }
  server.get('/api/v1/usage/ledger', { schema }, async (request) => {
    const { query } = request
    const scope = await admitViewer(context, request, 'usage.read')
    const { limit = DEFAULT_LIMIT } = query
    const period = readPeriod(query)
    const found = await readLedger(context.database.query, scope, {
      ...period,
      after: decodeCursor(query.cursor),
      limit,
    })
    const last = found.length < limit ? undefined : found.at(-1)
    const entries = found.map(({ feedId: _feedId, purposes: served, ...entry }) => ({
      ...entry,
      purposes: [...served],
    }))
    return { ...period, entries, cursor: last === undefined ? null : encodeCursor(last) }
  })
}

/** How what is shared was used, for whoever gave it and whoever got it: counts, and nothing of any record. */
export const usageRoutes = asPlugin([showUsageRoute, showLedgerRoute])
