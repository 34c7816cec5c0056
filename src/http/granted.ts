import type { FastifyRequest } from 'fastify'
import { toAppError } from '../errors.ts'
import { findAgreement, type Agreement } from '../store/agreements.ts'
import { auditDenial, recogniseClient } from './clients.ts'
import type { ManagementContext } from './management.ts'

/**
 * What the caller's agreement lets it have of a dataset, made by `work`. A refusal is written down before it is answered.
 * Throws TOKEN_INVALID, the refusals of `findAgreement` and what `work` throws.
 */
export async function asGranted<Result>(
  context: ManagementContext,
  request: FastifyRequest,
  dataset: string,
  work: (agreement: Agreement) => Promise<Result>,
): Promise<Result> {
  const client = await recogniseClient(context, request)
  try {
    return await work(await findAgreement(context.database.query, client.consumerId, dataset))
  } catch (error) {
    const { code, status } = toAppError(error)
    if (status < 500) await auditDenial(context, `consumer:${client.name}`, code, dataset)
    throw error
  }
}
