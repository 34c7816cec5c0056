import { createPublicKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import { calculateJwkThumbprint } from 'jose'
import { AppError } from '../errors.ts'

/** The public part of a client's key, as RFC 7517 writes it, with the members that it needs and no other. */
export type PublicKey =
  | { readonly kty: 'EC'; readonly crv: 'P-256'; readonly x: string; readonly y: string }
  | { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string }
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string }

export type KeyType = PublicKey['kty']

/** The algorithms that a key of each type signs assertions with. EdDSA and Ed25519 (RFC 9864) are two names of one. */
export const algorithmsOf = {
  EC: ['ES256'],
  OKP: ['EdDSA', 'Ed25519'],
  RSA: ['RS256', 'PS256'],
} as const satisfies Readonly<Record<KeyType, readonly string[]>>

const members = {
  EC: ['crv', 'x', 'y'],
  OKP: ['crv', 'x'],
  RSA: ['n', 'e'],
} as const satisfies Readonly<Record<KeyType, readonly string[]>>

/** NIST SP 800-131A ends RSA below 2048 bits; above 4096 a signature costs more to check than anybody gains. */
const RSA_BITS = { least: 2048, most: 4096 } as const

const isKeyType = (kty: unknown): kty is KeyType => typeof kty === 'string' && Object.hasOwn(members, kty)

const refuse = (why: string, cause?: unknown): never => {
  throw new AppError('REQUEST_INVALID', `body/publicKey: ${why}`, { cause })
}

function pickMembers(jwk: Readonly<Record<string, unknown>>): PublicKey {
  const { kty } = jwk
  if (!isKeyType(kty)) return refuse(`wanted kty EC, OKP or RSA`)
  if ('d' in jwk || 'k' in jwk) return refuse('this is a private key; make a new pair and keep its private part')
  return Object.fromEntries(['kty', ...members[kty]].map((name) => [name, jwk[name]])) as PublicKey
}

function assertStrong(key: PublicKey): void {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = toKeyObject(key)
  if (key.kty === 'RSA') {
    const bits = details.modulusLength ?? 0
    if (bits < RSA_BITS.least || bits > RSA_BITS.most || key.e !== 'AQAB')
      refuse(`wanted RSA of ${RSA_BITS.least} to ${RSA_BITS.most} bits with the exponent 65537`)
  } else if (details.namedCurve !== 'prime256v1' && type !== 'ed25519') refuse('wanted the curve P-256 or Ed25519')
}

export const toKeyObject = (key: PublicKey): KeyObject => createPublicKey({ key: { ...key }, format: 'jwk' })

/**
 * A public key as a client registers it, and its thumbprint (RFC 7638, SHA-256, Base64url). Throws REQUEST_INVALID for a private
 * key, a weak key and what is no key.
 */
export async function readPublicKey(
  jwk: Readonly<Record<string, unknown>>,
): Promise<{ readonly publicKey: PublicKey; readonly fingerprint: string }> {
  const publicKey = pickMembers(jwk)
  try {
    assertStrong(publicKey)
    return { publicKey, fingerprint: await calculateJwkThumbprint(publicKey) }
  } catch (error) {
    if (error instanceof AppError) throw error
    return refuse('this is no public key', error)
  }
}

const decoys = new Map<KeyType, KeyObject>()

/** An RSA key is only a number here: nobody has its factors, and making a true one would take a tenth of a second. */
function makeDecoy(type: KeyType): KeyObject {
  if (type === 'EC') return generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
  if (type === 'OKP') return generateKeyPairSync('ed25519').publicKey
  const modulus = randomBytes(RSA_BITS.least / 8).map((byte, place) => (place === 0 ? byte | 0x80 : byte))
  return toKeyObject({ kty: 'RSA', n: Buffer.from(modulus).toString('base64url'), e: 'AQAB' })
}

/** A key that signed nothing, for checking in place of one that is not there: the answer must not come sooner without a key. */
export function decoyKey(type: KeyType): KeyObject {
  const known = decoys.get(type)
  if (known !== undefined) return known
  const decoy = makeDecoy(type)
  decoys.set(type, decoy)
  return decoy
}
