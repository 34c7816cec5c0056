import type { FastifyReply, FastifyRequest } from 'fastify'
import { toAppError } from '../errors.ts'
import type { Answer } from '../sharing/pull.ts'
import { findAgreement, type Agreement } from '../store/agreements.ts'
import type { Database } from '../store/database.ts'
import { addCheckpoint } from './checkpoint-header.ts'
import { auditDenial, recogniseClient } from './clients.ts'
import type { ManagementContext } from './management.ts'

/** Refusals of a caller by its agreement; a request that does not fit its description is none, and a record that is not there has its own entry. */
const DENIALS: ReadonlySet<number> = new Set([403, 410, 429])

/**
 * What the caller's agreement lets it have of a dataset, made by `work` with the context that it is given: everything up to the committed
 * audit entry ends within one deadline. A refusal is written down before it is answered. Throws TOKEN_INVALID, the refusals of `findAgreement` and what `work` throws.
 */
export async function asGranted<Result>(
  context: ManagementContext,
  request: FastifyRequest,
  dataset: string,
  work: (agreement: Agreement, context: ManagementContext) => Promise<Result>,
): Promise<Result> {
  const bounded = { ...context, database: context.database.until(Date.now() + context.auditDeadlineMs) }
  const client = await recogniseClient(bounded, request)
  try {
    return await work(await findAgreement(bounded.database.query, client.consumerId, dataset), bounded)
  } catch (error) {
    const { code, status } = toAppError(error)
    if (DENIALS.has(status)) await auditDenial(context, `consumer:${client.name}`, code, dataset)
    throw error
  }
}

/** Sends the bytes that were audited, and no others; nothing where the caller holds them already (304). The newest checkpoint goes along. */
export async function sendAnswer(
  reply: FastifyReply,
  { body, tag }: Answer,
  database: Database,
): Promise<FastifyReply> {
  await addCheckpoint(reply, database)
  void reply.header('etag', tag).header('cache-control', 'no-store').header('vary', 'accept-encoding')
  return body === null ? reply.status(304).send() : reply.type('application/json; charset=utf-8').send(body)
}
