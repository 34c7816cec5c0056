import type { FastifyInstance } from 'fastify'
import { buildServer, type ServerTls } from '../../src/http/server.ts'
import { loadJurisdiction } from '../../src/feeds/jurisdiction.ts'
import type { CityIdentity } from '../../src/security/city-identity.ts'
import { createEgressGuard } from '../../src/security/egress.ts'
import { openLog } from '../../src/log.ts'
import type { RevealRules } from '../../src/sharing/reveals.ts'
import type { TestInstallation } from '../support/installation.ts'
import { enter, testSignIn, type Post, type RegisteredAccount } from '../support/sign-in.ts'
import type { SignInRules } from '../../src/http/sign-in.ts'

export interface DoorOptions {
  readonly tokenSeconds?: number
  readonly auditDeadlineMs?: number
  readonly egressAllow?: readonly string[]
  readonly previewsPerHour?: number
  readonly revealRules?: RevealRules
  readonly publicUrl?: string
  readonly tls?: ServerTls
  readonly signIn?: Partial<SignInRules>
  readonly cityIdentity?: CityIdentity
}

/** The product's server on an installation, without a socket of its own until it listens. */
export function openDoor(
  { database, keys, datasets }: TestInstallation,
  options: DoorOptions = {},
): Promise<FastifyInstance> {
  const { tokenSeconds = 600, auditDeadlineMs = 2000, egressAllow = ['loopback'], previewsPerHour = 1000 } = options
  return buildServer({
    version: '0.0.0',
    database,
    keys,
    tokenSeconds,
    auditDeadlineMs,
    previewsPerHour,
    revealRules: options.revealRules ?? { perDay: 100, minutes: 30, urgentMinutes: 10, hours: 24 },
    publicUrl: options.publicUrl ?? null,
    tls: options.tls ?? null,
    signIn: { ...testSignIn, ...options.signIn },
    trustedProxies: [],
    cityIdentity: options.cityIdentity ?? null,
    datasets,
    jurisdiction: loadJurisdiction('decree-809'),
    egress: createEgressGuard(egressAllow),
    logger: openLog('silent', 'test'),
  })
}

export const basic = (name: string, secret: string): string =>
  `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`

export const formHeaders = { 'content-type': 'application/x-www-form-urlencoded' } as const

/** Who has a name and a secret: a consumer. */
export interface Client {
  readonly name: string
  readonly clientSecret: string
}

/** Asks for a token as a client does. */
export const requestToken = (server: FastifyInstance, { name, clientSecret }: Client) =>
  server.inject({
    method: 'POST',
    url: '/oauth/token',
    headers: { ...formHeaders, authorization: basic(name, clientSecret) },
    payload: 'grant_type=client_credentials',
  })

/** Requests without a socket. */
export const postTo =
  (server: FastifyInstance): Post =>
  async (url, payload) => {
    const response = await server.inject({ method: 'POST', url, payload })
    return { status: response.statusCode, body: response.json<Record<string, unknown>>() }
  }

/** What a consumer or an account sends its requests with. */
export async function bearerOf(server: FastifyInstance, client: Client | RegisteredAccount): Promise<string> {
  if ('enrolmentCode' in client) return enter(postTo(server), client)
  const response = await requestToken(server, client)
  return `Bearer ${response.json<{ access_token: string }>().access_token}`
}
