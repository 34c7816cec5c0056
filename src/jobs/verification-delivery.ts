import { pushVerifications, type VerificationPush } from '../sharing/push-verifications.ts'
import { repeat } from './repeat.ts'

const EVERY_MS = 2000

/** Sends verification results to departments until it is stopped. Safe in any number of processes: a target is held while it is sent to. */
export function startVerificationDelivery(
  context: VerificationPush,
  onError: (error: unknown) => void,
  everyMs = EVERY_MS,
): () => Promise<void> {
  const pass = async (isStopped: () => boolean): Promise<void> => {
    while (!isStopped() && (await pushVerifications(context)) !== 'idle') continue
  }
  return repeat(pass, { everyMs, onError })
}
