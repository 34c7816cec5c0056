import { cosignedAt } from '../audit/cosignature.ts'
import { readNote, writeSignature, type NoteVerifier, type SignedNote } from '../audit/note.ts'
import { SHA256, type TreeHash } from '../audit/tree-hash.ts'
import { writeSubmission } from '../audit/witness.ts'
import { AppError } from '../errors.ts'
import type { EgressGuard } from '../security/egress.ts'
import { readNewest, saveCosignature } from '../store/checkpoints.ts'
import type { Query } from '../store/database.ts'
import { readProof } from './signer.ts'

/** A witness as the signer sees it. */
export interface RemoteWitness {
  readonly url: string
  readonly verifier: NoteVerifier
}

interface WitnessAnswer {
  readonly status: number
  readonly text: string
}

/** Sends a submission to a witness. */
export type Submit = (url: string, body: string) => Promise<WitnessAnswer>

const CONNECT_MS = 3000
const ANSWER_MS = 5000
const MOST_BYTES = 16_384

async function readShort(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of body) {
    chunks.push(chunk)
    if (Buffer.concat(chunks).length > MOST_BYTES) throw new RangeError('too long')
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Submits over HTTP to addresses that the installation may call, and follows no redirect. The `Submit` throws WITNESS_UNAVAILABLE. */
export function submitWith(egress: EgressGuard): Submit {
  const agent = egress.agent(CONNECT_MS)
  return async (url, body) => {
    try {
      const { origin, pathname } = egress.assertUrl(`${url}/add-checkpoint`)
      const options = {
        origin,
        path: pathname,
        method: 'POST',
        body,
        headersTimeout: ANSWER_MS,
        bodyTimeout: ANSWER_MS,
      }
      const answer = await agent.request({ ...options, headers: { 'content-type': 'text/plain' } } as const)
      return { status: answer.statusCode, text: await readShort(answer.body) }
    } catch (error) {
      throw new AppError('WITNESS_UNAVAILABLE', `no answer from ${url}`, { cause: error })
    }
  }
}

/** The one line of the answer with which this witness cosigned the note; null: there is none. */
function cosignatureIn(note: SignedNote, answer: string, witness: NoteVerifier): string | null {
  const answered = readNote(`${note.text}\n${answer}`)
  const signature = answered?.signatures.find(
    (one) => cosignedAt({ text: note.text, signatures: [one] }, witness) !== null,
  )
  return signature === undefined ? null : writeSignature(signature)
}

const CONFLICT = 409
const UNPROCESSABLE = 422
const UNKNOWN_LOG = 404

/** How many entries the witness says that it has seen; null: it does not say. */
const sizeTold = ({ status, text }: WitnessAnswer): number | null =>
  status === CONFLICT && /^\d{1,16}\n$/.test(text) ? Number(text) : null

/** Whether a tree as long as the witness saw was published meanwhile, by another signer of this log. */
async function isOvertaken(query: Query, { name }: TreeHash, witness: string, told: number): Promise<boolean> {
  const newest = await readNewest(query, name, witness)
  return newest !== null && newest.size >= told
}

/**
 * Has the newest checkpoint cosigned, if it is not yet, and publishes the cosignature beside it. A witness that has seen another tree of this
 * log, or a longer one, is the alarm that it is there for. Throws AUDIT_FORKED then, WITNESS_UNAVAILABLE where it did not cosign. Not every
 * witness can read SM2: one that does not know the log over SM3 cosigns the other one.
 */
export async function haveCosigned(
  query: Query,
  { url, verifier }: RemoteWitness,
  submit: Submit,
  tree: TreeHash = SHA256,
): Promise<void> {
  const newest = await readNewest(query, tree.name, verifier.name)
  const note = newest === null ? null : readNote(newest.note)
  if (newest === null || note === null || newest.cosigned === newest.size) return
  const submitFrom = async (oldSize: number): Promise<WitnessAnswer> =>
    submit(url, writeSubmission({ oldSize, proof: await readProof(query, oldSize, newest.size, tree), note }))
  const first = await submitFrom(newest.cosigned)
  if (tree !== SHA256 && first.status === UNKNOWN_LOG) return
  const told = sizeTold(first) ?? newest.cosigned
  if (told > newest.size && (await isOvertaken(query, tree, verifier.name, told))) return
  const answer = told === newest.cosigned || told > newest.size ? first : await submitFrom(told)
  if (answer.status === CONFLICT || answer.status === UNPROCESSABLE)
    throw new AppError('AUDIT_FORKED', `${verifier.name} has seen another tree: ${answer.status} at ${newest.size}`)
  const line = answer.status === 200 ? cosignatureIn(note, answer.text, verifier) : null
  if (line === null)
    throw new AppError('WITNESS_UNAVAILABLE', `${verifier.name} answered ${answer.status} without its cosignature`)
  await saveCosignature(query, { tree: tree.name, size: newest.size, witness: verifier.name, line })
}
