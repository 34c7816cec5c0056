import path from 'node:path'
import { isIP } from 'node:net'
import { AppError } from './errors.ts'

/** Everything the environment decides, read once and frozen. Times are milliseconds. */
export interface Config {
  readonly production: boolean
  readonly dataDirectory: string
  /** null: the embedded PostgreSQL in `dataDirectory`. */
  readonly databaseUrl: string | null
  /** The login that owns the tables; only `migrate` and the embedded default use it. */
  readonly ownerDatabaseUrl: string | null
  /** The login that builds the tree over the audit log; null: that of the running product. */
  readonly sequencerDatabaseUrl: string | null
  /** The login that publishes signed checkpoints; null: that of the running product. */
  readonly signerDatabaseUrl: string | null
  /** The login that may remove approved months of the audit log; null: that of the running product. */
  readonly prunerDatabaseUrl: string | null
  /** null: BullMQ runs on PostgreSQL. */
  readonly redisUrl: string | null
  readonly host: string
  readonly port: number
  /** Where clients reach the API, without a slash at the end; null where nobody said. */
  readonly publicUrl: string | null
  /** Files in PEM; null where something in front of the API ends TLS. */
  readonly tls: TlsFiles | null
  /** A program that prints the key-encryption key, its arguments, and the PATH that it is given; it goes before the two below. */
  readonly keyEncryptionCommand: KeyEncryptionCommand | null
  readonly keyEncryptionKey: string | null
  readonly keyEncryptionKeyFile: string
  readonly cryptoSuite: 'standard' | 'gm'
  /** Days after which a sealing key should be rotated; `doctor` says so. */
  readonly keyDays: number
  readonly egressAllow: readonly string[]
  readonly allowEmbedded: boolean
  readonly logLevel: string
  readonly auditDeadlineMs: number
  /** How old an entry of the audit log may be that no signed checkpoint covers before nothing personal leaves. */
  readonly auditUnsignedSeconds: number
  /** Who cosigns checkpoints: where each is, and its verifier as `audit key --witness` prints it. */
  readonly witnesses: readonly { readonly url: string; readonly verifier: string }[]
  /** Seconds after which a checkpoint should have been cosigned. */
  readonly witnessSeconds: number
  readonly tokenSeconds: number
  /** Days after which a refused row that nobody corrected is removed. */
  readonly rejectionDays: number
  /** Days after which a tombstone is removed; a cursor from before has to begin again with a snapshot. */
  readonly tombstoneDays: number
  /** How many previews one account may ask for in an hour: they show rows of the department in clear. */
  readonly previewsPerHour: number
  /** Name of a file in schemas/jurisdictions/: the working days that each duty may take. */
  readonly jurisdiction: string
  readonly revealRules: {
    /** How often one account may ask in a day to see clear values. */
    readonly perDay: number
    /** Minutes from the first look, at most. */
    readonly minutes: number
    /** The same for a request with one approval. */
    readonly urgentMinutes: number
    /** Hours until a request that was not used expires, approved or not. */
    readonly hours: number
  }
  /** Addresses and CIDR ranges of what stands in front of the API; whom it names as the caller is believed. */
  readonly trustedProxies: readonly string[]
  /** How people come in. */
  readonly signIn: {
    /** Memory of one argon2id, in KiB. */
    readonly memoryKib: number
    readonly length: number
    /** Kinds of characters, of four. */
    readonly kinds: number
    /** Days after which a password has to be changed; 0: never. */
    readonly days: number
    readonly idleSeconds: number
    readonly sessionSeconds: number
  }
  /** The city's identity service; null where people have local accounts only. */
  readonly oidc: {
    readonly issuer: string
    readonly clientId: string
    readonly clientSecret: string
    readonly claim: string
    readonly acr: readonly string[]
    readonly amr: readonly string[]
  } | null
  readonly exportRules: {
    /** Exports with more persons wait for two people to agree. */
    readonly persons: number
    /** Hours that the files of an export are kept. */
    readonly hours: number
    /** How many people at least have to look alike where identifiers are left out. */
    readonly k: number
  }
}

export interface TlsFiles {
  readonly certificate: string
  readonly key: string
  /** The authority that a client's certificate has to be from; null: any certificate is asked for and none is wanted. */
  readonly clientAuthority: string | null
}

export interface KeyEncryptionCommand {
  readonly program: string
  readonly arguments: readonly string[]
  readonly path: string
}

type Environment = Readonly<Record<string, string | undefined>>

const suites = ['standard', 'gm'] as const
const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

function wholeNumber(environment: Environment, name: string, fallback: number, least: number, most: number): number {
  const given = environment[name]
  if (given === undefined || given === '') return fallback
  const value = Number(given)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new AppError('CONFIG_INVALID', `${name} is "${given}"; give a whole number from ${least} to ${most}`)
}

function oneOf<Choice extends string>(
  environment: Environment,
  name: string,
  fallback: Choice,
  choices: readonly Choice[],
): Choice {
  const given = environment[name] || fallback
  const found = choices.find((choice) => choice === given)
  if (found !== undefined) return found
  throw new AppError('CONFIG_INVALID', `${name} is "${given}"; give one of ${choices.join(', ')}`)
}

/** A URL setting. The value itself is never repeated in an error, because it may hold a password. */
function url(environment: Environment, name: string, schemes: readonly string[]): string | null {
  const given = environment[name]
  if (given === undefined || given === '') return null
  if (URL.canParse(given) && schemes.includes(new URL(given).protocol)) return given
  throw new AppError('CONFIG_INVALID', `${name} is not a URL that begins with ${schemes.join(' or ')}`)
}

function tlsFiles(environment: Environment): TlsFiles | null {
  const [certificate, key] = [environment['TLS_CERT_FILE'] || null, environment['TLS_KEY_FILE'] || null]
  const clientAuthority = environment['TLS_CLIENT_CA_FILE'] || null
  if (certificate !== null && key !== null) return { certificate, key, clientAuthority }
  if (certificate === null && key === null && clientAuthority === null) return null
  throw new AppError('CONFIG_INVALID', 'give TLS_CERT_FILE and TLS_KEY_FILE together; TLS_CLIENT_CA_FILE needs both')
}

const wordsOf = (text: string | undefined): readonly string[] =>
  (text ?? '').split(/[\s;]+/).filter((word) => word !== '')

function witnesses(environment: Environment): Config['witnesses'] {
  const urls = wordsOf(environment['WITNESS_URLS'])
  const verifiers = wordsOf(environment['WITNESS_VERIFIERS'])
  if (urls.length === verifiers.length)
    return urls.map((at, place) => ({ url: at.replace(/\/+$/, ''), verifier: verifiers[place] ?? '' }))
  throw new AppError('CONFIG_INVALID', 'give as many WITNESS_URLS as WITNESS_VERIFIERS, in the same order')
}

/** A program and its arguments, apart by spaces: no shell reads them. */
function keyEncryptionCommand(environment: Environment): KeyEncryptionCommand | null {
  const [program, ...given] = (environment['GRIDBRIDGE_KEK_COMMAND'] ?? '').split(/\s+/).filter((word) => word !== '')
  if (program === undefined) return null
  if (environment['GRIDBRIDGE_KEK'])
    throw new AppError('CONFIG_INVALID', 'set one of GRIDBRIDGE_KEK_COMMAND and GRIDBRIDGE_KEK')
  if (path.isAbsolute(program)) return { program, arguments: given, path: environment['PATH'] ?? '' }
  throw new AppError('CONFIG_INVALID', 'GRIDBRIDGE_KEK_COMMAND begins with no absolute path of a program')
}

function addressRanges(environment: Environment, name: string): readonly string[] {
  const given = (environment[name] ?? '').split(/[\s,;]+/).filter((entry) => entry !== '')
  const wrong = given.find((entry) => isIP(entry.split('/', 1)[0] ?? '') === 0)
  if (wrong === undefined) return given
  throw new AppError('CONFIG_INVALID', `${name} holds "${wrong}"; give addresses or CIDR ranges`)
}

/** OWASP's least memory for argon2id with one pass, in KiB; only tests go below. */
const LEAST_PASSWORD_KIB = 47_104

const signInRules = (environment: Environment, production: boolean): Config['signIn'] =>
  Object.freeze({
    memoryKib: wholeNumber(
      environment,
      'PASSWORD_MEMORY_KIB',
      65_536,
      production ? LEAST_PASSWORD_KIB : 1024,
      1_048_576,
    ),
    length: wholeNumber(environment, 'PASSWORD_LENGTH', 12, 8, 64),
    kinds: wholeNumber(environment, 'PASSWORD_KINDS', 3, 1, 4),
    days: wholeNumber(environment, 'PASSWORD_DAYS', 90, 0, 366),
    idleSeconds: wholeNumber(environment, 'SESSION_IDLE_SECONDS', 900, 60, 1800),
    sessionSeconds: 3600 * wholeNumber(environment, 'SESSION_HOURS', 12, 1, 12),
  })

const words = (environment: Environment, name: string, fallback: string): readonly string[] =>
  (environment[name] ?? fallback).split(/\s+/).filter((word) => word !== '')

function cityIdentity(environment: Environment, production: boolean): Config['oidc'] {
  const issuer = url(environment, 'OIDC_ISSUER', production ? ['https:'] : ['https:', 'http:'])
  const [clientId, clientSecret] = [environment['OIDC_CLIENT_ID'] || null, environment['OIDC_CLIENT_SECRET'] || null]
  const claim = environment['OIDC_CLAIM'] || 'sub'
  const [acr, amr] = [words(environment, 'OIDC_ACR', ''), words(environment, 'OIDC_AMR', 'mfa otp hwk')]
  if (issuer === null && clientId === null && clientSecret === null) return null
  if (issuer === null || clientId === null || clientSecret === null || !environment['PUBLIC_URL'])
    throw new AppError('CONFIG_INVALID', 'give OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET and PUBLIC_URL together')
  return Object.freeze({ issuer, clientId, clientSecret, claim, acr, amr })
}

const postgresSchemes = ['postgres:', 'postgresql:'] as const

const auditSettings = (
  environment: Environment,
): Pick<Config, 'auditDeadlineMs' | 'auditUnsignedSeconds' | 'witnesses' | 'witnessSeconds'> => ({
  auditDeadlineMs: wholeNumber(environment, 'AUDIT_DEADLINE_MS', 1500, 50, 30_000),
  // X-Road stops after four hours without timestamps.
  auditUnsignedSeconds: wholeNumber(environment, 'AUDIT_UNSIGNED_SECONDS', 900, 60, 14_400),
  witnesses: witnesses(environment),
  witnessSeconds: wholeNumber(environment, 'WITNESS_SECONDS', 300, 60, 86_400),
})

const revealRules = (environment: Environment): Config['revealRules'] =>
  Object.freeze({
    perDay: wholeNumber(environment, 'REVEALS_PER_DAY', 3, 1, 100),
    minutes: wholeNumber(environment, 'REVEAL_MINUTES', 30, 1, 30),
    urgentMinutes: wholeNumber(environment, 'REVEAL_URGENT_MINUTES', 10, 1, 10),
    hours: wholeNumber(environment, 'REVEAL_HOURS', 24, 1, 168),
  })

/** Reads and checks the environment. Throws CONFIG_INVALID naming the variable, what it holds and what is wanted. */
export function loadConfig(environment: Environment): Config {
  const dataDirectory = path.resolve(environment['GRIDBRIDGE_DATA'] || 'data')
  const production = environment['NODE_ENV'] === 'production'
  return Object.freeze({
    production,
    dataDirectory,
    databaseUrl: url(environment, 'DATABASE_URL', postgresSchemes),
    ownerDatabaseUrl: url(environment, 'OWNER_DATABASE_URL', postgresSchemes),
    sequencerDatabaseUrl: url(environment, 'SEQUENCER_DATABASE_URL', postgresSchemes),
    signerDatabaseUrl: url(environment, 'SIGNER_DATABASE_URL', postgresSchemes),
    prunerDatabaseUrl: url(environment, 'PRUNER_DATABASE_URL', postgresSchemes),
    redisUrl: url(environment, 'REDIS_URL', ['redis:', 'rediss:']),
    host: environment['HOST'] || '127.0.0.1',
    port: wholeNumber(environment, 'PORT', 8080, 0, 65_535),
    publicUrl: url(environment, 'PUBLIC_URL', ['https:', 'http:'])?.replace(/\/+$/, '') ?? null,
    tls: tlsFiles(environment),
    keyEncryptionCommand: keyEncryptionCommand(environment),
    keyEncryptionKey: environment['GRIDBRIDGE_KEK'] || null,
    keyEncryptionKeyFile: environment['GRIDBRIDGE_KEK_FILE'] || path.join(dataDirectory, 'keys', 'kek'),
    cryptoSuite: oneOf(environment, 'GRIDBRIDGE_SUITE', 'standard', suites),
    keyDays: wholeNumber(environment, 'KEY_DAYS', 365, 1, 3650),
    egressAllow: wordsOf(environment['GRIDBRIDGE_EGRESS_ALLOW']),
    allowEmbedded: !production || environment['GRIDBRIDGE_ALLOW_EMBEDDED'] === '1',
    logLevel: oneOf(environment, 'LOG_LEVEL', 'info', logLevels),
    ...auditSettings(environment),
    tokenSeconds: wholeNumber(environment, 'TOKEN_SECONDS', 600, 10, 600),
    rejectionDays: wholeNumber(environment, 'REJECTION_DAYS', 90, 1, 1095),
    tombstoneDays: wholeNumber(environment, 'TOMBSTONE_DAYS', 400, 30, 3650),
    previewsPerHour: wholeNumber(environment, 'PREVIEWS_PER_HOUR', 30, 1, 1000),
    jurisdiction: environment['JURISDICTION'] || 'decree-809',
    revealRules: revealRules(environment),
    trustedProxies: addressRanges(environment, 'TRUSTED_PROXIES'),
    signIn: signInRules(environment, production),
    oidc: cityIdentity(environment, production),
    exportRules: Object.freeze({
      persons: wholeNumber(environment, 'EXPORT_PERSONS', 10_000, 0, 1_000_000_000),
      hours: wholeNumber(environment, 'EXPORT_HOURS', 24, 1, 168),
      k: wholeNumber(environment, 'EXPORT_K', 5, 5, 1000),
    }),
  })
}
