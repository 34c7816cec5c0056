import { fastify, type FastifyInstance, type FastifyReply } from 'fastify'
import { cosign } from '../audit/cosignature.ts'
import { writeSignature } from '../audit/note.ts'
import { judgeSubmission, readSubmission } from '../audit/witness.ts'
import type { Witness } from '../jobs/witness-state.ts'

/** A checkpoint with all its lines and 63 hashes has less than a tenth of it. */
const MOST_BYTES = 65_536

/** From the judgement to the file of what was cosigned nothing else runs, so no two submissions can pass from the same state. */
function answer(reply: FastifyReply, witness: Witness, text: string): FastifyReply {
  const submission = readSubmission(text)
  const judgement =
    submission === null ? ({ status: 400 } as const) : judgeSubmission(submission, witness.logs, witness.lastOf)
  void reply.status(judgement.status).type('text/plain; charset=utf-8')
  if (judgement.status === 409) return reply.type('text/x.tlog.size').send(`${judgement.size}\n`)
  if (judgement.status !== 200 || submission === null) return reply.send('')
  witness.remember(judgement.checkpoint)
  const seconds = Math.floor(Date.now() / 1000)
  return reply.send(writeSignature(cosign(submission.note.text, witness.name, witness.privateKey, seconds)))
}

/** The door of a witness, C2SP tlog-witness: POST /add-checkpoint. It asks for no credentials: what counts is the signature of the log. */
export function buildWitnessServer(witness: Witness): FastifyInstance {
  const server = fastify({ bodyLimit: MOST_BYTES, requestTimeout: 10_000 })
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))
  server.post('/add-checkpoint', (request, reply) =>
    answer(reply, witness, typeof request.body === 'string' ? request.body : ''),
  )
  return server
}
