import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { AppError, toAppError } from '../errors.ts'
import type { Query } from '../store/database.ts'
import { followRun, isOver } from '../store/run-progress.ts'
import { isSessionAlive } from '../store/sessions.ts'
import { readTokenHash } from './clients.ts'
import type { ManagementContext } from './management.ts'
import { problemAnswers } from './problem-schema.ts'
import { admitToRun } from './run-routes.ts'
import { RunNumber } from './run-schemas.ts'

const EVERY_MS = 1000
/** A stream that is still wanted is opened again; a browser does so by itself. */
const LONGEST_MS = 10 * 60_000
/** Each costs a small query in a second. */
const MOST_STREAMS = 100

const message = (event: string, data: object): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`

interface Listener {
  /** Keyed hash of the token of the session. */
  readonly session: string
  readonly signal: AbortSignal
}

/** Tells of the run each second until it is over, its time is up, the session has ended, or nobody listens. */
async function* tell(query: Query, runId: number, { session, signal }: Listener): AsyncGenerator<string, void> {
  const endsAt = Date.now() + LONGEST_MS
  try {
    for await (const progress of followRun(query, runId, EVERY_MS, signal)) {
      yield message(isOver(progress) ? 'end' : 'progress', progress)
      if (Date.now() >= endsAt || !(await isSessionAlive(query, session))) return
    }
  } catch (error) {
    // The answer has begun, so its status cannot say it.
    if (!signal.aborted) yield message('error', { code: toAppError(error).code })
  }
}

/** GET /api/v1/runs/:runId/progress: counts, rate and remaining time as server-sent events. Holds no data of any record. */
export const progressRoute: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  const summary = '批次实时进度 / Live progress of a run, as server-sent events'
  const schema = {
    operationId: 'followRun',
    tags: ['management'],
    summary,
    description:
      'Events `progress`, then `end`. Each is one JSON object: state, pages, pulled, rejected, sourceTotal, rowsPerSecond, secondsLeft. Ends after ten minutes; ask again.',
    security: [{ token: [] }],
    params: RunNumber,
    response: {
      200: {
        description: summary,
        content: { 'text/event-stream': { schema: Type.String({ description: 'Events' }) } },
      },
      ...problemAnswers,
    },
  }
  let open = 0
  const closing = new AbortController()
  server.addHook('preClose', async () => closing.abort())
  server.get('/api/v1/runs/:runId/progress', { schema }, async (request, reply) => {
    const { run } = await admitToRun(context, request.headers.authorization, 'run.read', request.params.runId)
    if (open >= MOST_STREAMS) throw new AppError('BUSY', `${MOST_STREAMS} streams are open; ask again later`)
    open += 1
    const listener = new AbortController()
    const session = readTokenHash(context.keys, request.headers.authorization)
    const events = Readable.from(
      tell(context.database.query, run.runId, { session, signal: AbortSignal.any([listener.signal, closing.signal]) }),
    )
    events.once('close', () => {
      open -= 1
      listener.abort()
    })
    // Node no longer counts a connection as idle that was busy when it looked for slow ones, and closing would wait for it.
    void reply.header('connection', 'close')
    // A proxy that gathers the answer before it passes it on would show everything at the end.
    void reply.header('cache-control', 'no-store').header('x-accel-buffering', 'no').type('text/event-stream')
    return reply.send(events)
  })
}
