import { randomBytes } from 'node:crypto'
import type { KeyRing } from './key-ring.ts'
import { verifyRequest, type SignableRequest, type SignatureHash } from './request-signature.ts'
import { open, seal, type SealKey } from './seal.ts'

/** A secret that a client signs its requests with, as it rests. */
interface SealedSecret {
  readonly sealed: Uint8Array
  readonly digest: SignatureHash
}

/** As many signing secrets of a client as live at most. */
const MOST_SECRETS = 2

const boundText = (name: string): string => `signing-secret|${name}`

/** Seals a signing secret so that it opens for this client alone. */
export const sealSigningSecret = (keys: KeyRing, name: string, secret: string): Buffer =>
  seal(keys.sealing, boundText(name), secret)

/** The name of no client, for a secret that signed nothing. */
const NOBODY = '?'

/** By the key that sealed it: one that is retired opens its decoy no more than anything else. */
const decoys = new WeakMap<SealKey, SealedSecret>()

function decoySecret(keys: KeyRing): SealedSecret {
  const known = decoys.get(keys.sealing)
  if (known !== undefined) return known
  const sealed = sealSigningSecret(keys, NOBODY, randomBytes(32).toString('base64url'))
  const decoy = { sealed, digest: 'sm3' } as const
  decoys.set(keys.sealing, decoy)
  return decoy
}

/**
 * Which of the client's living secrets signed the request; null for none. Always opens and tries two secrets, so that an unknown
 * client costs what a wrong secret costs. Whether the request is of now, and its nonce unused, is for the caller to see.
 */
export function findSigner<Held extends SealedSecret>(
  keys: KeyRing,
  request: Omit<SignableRequest, 'secret'> & { readonly signature: string },
  secrets: readonly Held[],
): Held | null {
  const decoy = decoySecret(keys)
  const signed = new Date(request.timestamp)
  const tried = Array.from({ length: MOST_SECRETS }, (_, place) => {
    const held = secrets[place] ?? null
    const { sealed, digest } = held ?? decoy
    const secret = open(keys.sealKey, boundText(held === null ? NOBODY : request.appKey), sealed)
    return verifyRequest({ ...request, secret }, request.signature, signed, digest) ? held : null
  })
  return tried.find((held) => held !== null) ?? null
}
