import type { FastifyReply } from 'fastify'
import type { Database } from '../store/database.ts'

/** The newest signed checkpoint of the audit log, its whole note in Base64. */
const CHECKPOINT = 'gridbridge-checkpoint'

/** What is answered was audited already; it does not wait long for what goes along. */
const MOST_MS = 400

/**
 * Gives the caller the newest signed checkpoint to keep: a log that is rewritten later has to contradict what its consumers hold. There is
 * none before the first signing.
 */
export async function addCheckpoint(reply: FastifyReply, database: Database): Promise<void> {
  const { note } = await database.until(Date.now() + MOST_MS).signing()
  if (note !== null) void reply.header(CHECKPOINT, Buffer.from(note).toString('base64'))
}
