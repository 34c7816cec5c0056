import * as oidc from 'openid-client'
import { AppError } from '../errors.ts'
import { fetchBehind, type EgressGuard } from './egress.ts'

/** How people sign in by the city's identity service. */
export interface CityIdentityOptions {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  /** The claim of the ID token that is the staff number. */
  readonly claim: string
  /** Values of `acr` that stand for two factors; */
  readonly acr: readonly string[]
  /** and values of `amr` (RFC 8176) of which one is enough. */
  readonly amr: readonly string[]
  /** Where the service sends the browser back. */
  readonly redirectUri: string
}

/** What ties an answer of the service to the browser that asked; kept by the browser, sealed. */
export interface SignInSecrets {
  readonly state: string
  readonly nonce: string
  readonly verifier: string
}

export interface CityIdentity {
  /** Where to send the browser. Throws IDENTITY_UNAVAILABLE. */
  readonly begin: () => Promise<{ readonly url: URL; readonly secrets: SignInSecrets }>
  /** The staff number of whoever came back. Throws IDENTITY_REFUSED, IDENTITY_UNAVAILABLE. */
  readonly finish: (answer: URL, secrets: SignInSecrets) => Promise<string>
}

const TIMEOUT_MS = 10_000

const unavailable = (cause: unknown): AppError => new AppError('IDENTITY_UNAVAILABLE', '', { cause })

async function discover(options: CityIdentityOptions, egress: EgressGuard): Promise<oidc.Configuration> {
  const { issuer, clientId, clientSecret } = options
  const isPlain = new URL(issuer).protocol === 'http:'
  return oidc.discovery(new URL(issuer), clientId, clientSecret, undefined, {
    [oidc.customFetch]: fetchBehind(egress, TIMEOUT_MS),
    timeout: TIMEOUT_MS / 1000,
    // The token came over TLS from the service itself; its signature is checked all the same, so that it proves something later.
    execute: [oidc.enableNonRepudiationChecks, ...(isPlain ? [oidc.allowInsecureRequests] : [])],
  })
}

type Claims = Readonly<Record<string, unknown>>

/** Whether the service says that two factors were used (OpenID Connect Core §2: `acr`, `amr`). */
function hasTwoFactors({ acr, amr }: Claims, accepted: CityIdentityOptions): boolean {
  const methods = Array.isArray(amr) ? amr : []
  return accepted.acr.some((one) => one === acr) || accepted.amr.some((one) => methods.includes(one))
}

function staffNumberOf(claims: Claims, options: CityIdentityOptions): string {
  if (!hasTwoFactors(claims, options))
    throw new AppError('IDENTITY_REFUSED', 'sign in there with two factors', { cause: { refused: 'one-factor' } })
  const value = claims[options.claim]
  if (typeof value === 'string' && value !== '') return value
  throw new AppError('IDENTITY_REFUSED', `the service sent no ${options.claim}`, { cause: { refused: 'no-claim' } })
}

/** The answer was read, and is not what it has to be. */
const isRefusal = (error: unknown): boolean =>
  error instanceof oidc.ClientError ||
  error instanceof oidc.ResponseBodyError ||
  error instanceof oidc.AuthorizationResponseError

/** The authorization code flow with PKCE (RFC 7636), against a service that is found by discovery when it is first needed. */
export function openCityIdentity(options: CityIdentityOptions, egress: EgressGuard): CityIdentity {
  let found: Promise<oidc.Configuration> | null = null
  const configuration = async (): Promise<oidc.Configuration> => {
    found ??= discover(options, egress)
    try {
      return await found
    } catch (error) {
      found = null
      throw unavailable(error)
    }
  }
  const begin: CityIdentity['begin'] = async () => {
    const secrets = { state: oidc.randomState(), nonce: oidc.randomNonce(), verifier: oidc.randomPKCECodeVerifier() }
    const url = oidc.buildAuthorizationUrl(await configuration(), {
      redirect_uri: options.redirectUri,
      scope: 'openid',
      state: secrets.state,
      nonce: secrets.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(secrets.verifier),
      code_challenge_method: 'S256',
      ...(options.acr.length === 0 ? {} : { acr_values: options.acr.join(' ') }),
    })
    return { url, secrets }
  }
  const finish: CityIdentity['finish'] = async (answer, { state, nonce, verifier }) => {
    const expected = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
    const tokens = await oidc
      .authorizationCodeGrant(await configuration(), answer, expected)
      .catch((error: unknown) => {
        if (isRefusal(error)) throw new AppError('IDENTITY_REFUSED', '', { cause: { refused: 'answer' } })
        throw error instanceof AppError ? error : unavailable(error)
      })
    return staffNumberOf(tokens.claims() ?? {}, options)
  }
  return { begin, finish }
}
