import type { KeyObject } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from 'jose'
import { AppError } from '../errors.ts'
import { algorithmsOf, decoyKey, toKeyObject, type KeyType, type PublicKey } from './client-keys.ts'

/** The value of client_assertion_type (RFC 7523 §2.2). */
export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** A longer-lived assertion is a password: its jti would have to be remembered as long. */
const MOST_SECONDS = 300

/** As many keys of a client as live at most. */
const MOST_KEYS = 2

const JTI = /^[!-~]{8,200}$/

const refuse = (detail = '', cause?: unknown): never => {
  throw new AppError('CLIENT_UNAUTHENTICATED', detail, { cause })
}

interface Claim {
  readonly name: string
  readonly keyType: KeyType
}

/** Who an assertion says it is from, before anything of it was checked. Throws CLIENT_UNAUTHENTICATED. */
export function readClaim(assertion: string): Claim {
  try {
    const { alg } = decodeProtectedHeader(assertion)
    const { sub } = decodeJwt(assertion)
    const found = Object.entries(algorithmsOf).find(([, algorithms]) => algorithms.some((one) => one === alg))
    if (sub !== undefined && found !== undefined) return { name: sub, keyType: found[0] as KeyType }
  } catch (error) {
    return refuse('the assertion cannot be read', error)
  }
  return refuse('wanted an assertion of sub, signed by ES256, EdDSA, RS256 or PS256')
}

export interface Expected {
  readonly name: string
  readonly keyType: KeyType
  /** What the assertion has to be meant for: our token endpoint. */
  readonly audience: string
}

export interface VerifiedAssertion<Held> {
  /** Whose key signed it. */
  readonly held: Held
  /** Never to be taken again. */
  readonly jti: string
}

/** The payload; null where another key signed. What is wrong with the claims is told: only the holder of the key comes so far. */
async function verifyWith(
  assertion: string,
  key: KeyObject,
  { name, keyType, audience }: Expected,
): Promise<JWTPayload | null> {
  try {
    const options = { algorithms: [...algorithmsOf[keyType]], issuer: name, subject: name, audience }
    return (await jwtVerify(assertion, key, { ...options, requiredClaims: ['exp', 'jti'] })).payload
  } catch (error) {
    const isClaim = error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired
    return isClaim ? refuse(`the claim ${error.claim} of the assertion does not fit`, error) : null
  }
}

function readJti({ exp = Infinity, aud, jti }: JWTPayload): string {
  if (exp > Date.now() / 1000 + MOST_SECONDS)
    refuse(`the claim exp of the assertion is more than ${MOST_SECONDS} s ahead`)
  // An assertion for several servers could be passed on by one of them.
  if (typeof aud !== 'string') refuse('the claim aud of the assertion has to be one text')
  if (typeof jti !== 'string' || !JTI.test(jti))
    return refuse('the claim jti of the assertion has to be 8 to 200 visible ASCII characters')
  return jti
}

/**
 * Checks a client assertion (private_key_jwt of OpenID Connect Core §9, RFC 7523 §3) against the living keys of the client that it
 * names. Always checks two signatures, so that an unknown client costs what a wrong key costs. Throws CLIENT_UNAUTHENTICATED. That
 * a jti is used once is for the caller to keep.
 */
export async function verifyAssertion<Held extends { readonly publicKey: PublicKey }>(
  assertion: string,
  expected: Expected,
  keys: readonly Held[],
): Promise<VerifiedAssertion<Held>> {
  const { keyType } = expected
  const fitting = keys.filter(({ publicKey }) => publicKey.kty === keyType)
  const decoys = Array.from({ length: MOST_KEYS }, () => null)
  let verified: VerifiedAssertion<Held> | null = null
  for (const held of [...fitting, ...decoys].slice(0, MOST_KEYS)) {
    const key = held === null ? decoyKey(keyType) : toKeyObject(held.publicKey)
    const payload = await verifyWith(assertion, key, expected)
    if (held !== null && payload !== null) verified = { held, jti: readJti(payload) }
  }
  return verified ?? refuse()
}
