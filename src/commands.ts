import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import type { Config } from './config.ts'
import { AppError } from './errors.ts'
import { listConnectors, parseManifest } from './feeds/manifest.ts'
import { loadDatasets, type Dataset } from './feeds/datasets.ts'
import type { Manifest } from './feeds/manifest-types.ts'
import { secretNames } from './feeds/manifest-secrets.ts'
import { assertTestsPass } from './ingest/manifest-tests.ts'
import { datasetOf } from './ingest/preview.ts'
import { openInstallation, type Installation } from './installation.ts'
import { openQueues } from './jobs/queues.ts'
import { seal } from './security/seal.ts'
import { createWebhookKey } from './security/webhook-signature.ts'
import { formsOfProfile } from './feeds/profiles.ts'
import { MOST_PAGE, wholeCityOf } from './feeds/agreement-rules.ts'
import { grantAgreement } from './sharing/agreements.ts'
import { giveCredential } from './sharing/credentials.ts'
import { subscribe } from './sharing/subscribe.ts'
import { insertConsumer } from './store/consumers.ts'
import { findFeed, insertFeed, listFeeds } from './store/feeds.ts'
import { followRun, type Progress } from './store/run-progress.ts'
import { findRun, requestRun, type Run } from './store/runs.ts'

/** The person at the command line, for the audit log. */
export const operator = (): string => `operator:${userInfo().username}`

/** Where a command works: an installation that is open already, or one that is opened for this command alone. */
export type Place = Config | Installation

const isOpen = (place: Place): place is Installation => 'database' in place

/** Opens the installation for one command and closes it after, whatever happens; one that was open stays so. */
export async function within<Result>(
  place: Place,
  work: (installation: Installation) => Promise<Result>,
): Promise<Result> {
  if (isOpen(place)) return work(place)
  const installation = await openInstallation(place, 'cli', 3)
  try {
    return await work(installation)
  } finally {
    await installation.close()
  }
}

function readJsonFile(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    const why = error instanceof SyntaxError ? 'is not JSON' : 'cannot be read'
    throw new AppError('USAGE_INVALID', `${file} ${why}; give the path of a manifest`, { cause: error })
  }
}

const unescapeToken = (token: string): string => token.replaceAll('~1', '/').replaceAll('~0', '~')

/** A copy of a JSON value with the place at a JSON Pointer replaced. Throws USAGE_INVALID where there is no such place. */
function setAt(value: unknown, pointer: readonly string[], replacement: unknown): unknown {
  const [name, ...rest] = pointer
  if (name === undefined) return replacement
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) {
    throw new AppError('USAGE_INVALID', `--set: the manifest has nothing at ${name}`)
  }
  return { ...value, [name]: setAt((value as Record<string, unknown>)[name], rest, replacement) }
}

function splitAssignment(option: string, text: string): readonly [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw new AppError('USAGE_INVALID', `${option} needs name=value`)
  return [text.slice(0, at), text.slice(at + 1)]
}

/** A value on the command line is a number or boolean where it reads as one, else text. */
function parseValue(text: string): unknown {
  return /^(-?\d+(\.\d+)?|true|false)$/.test(text) ? (JSON.parse(text) as unknown) : text
}

function applySettings(manifest: unknown, settings: readonly string[]): unknown {
  return settings.reduce((changed, setting) => {
    const [pointer, value] = splitAssignment('--set', setting)
    if (!pointer.startsWith('/'))
      throw new AppError('USAGE_INVALID', `--set ${pointer}: give a JSON Pointer, for example /source/baseUrl`)
    return setAt(changed, pointer.slice(1).split('/').map(unescapeToken), parseValue(value))
  }, manifest)
}

function readSecrets(manifest: Manifest, given: readonly string[]): Readonly<Record<string, string>> {
  const secrets = Object.fromEntries(given.map((secret) => splitAssignment('--secret', secret)))
  const wanted = secretNames(manifest.source)
  const missing = wanted.filter((name) => !secrets[name])
  if (missing.length > 0)
    throw new AppError('SECRET_MISSING', `give --secret ${missing.map((name) => `${name}=…`).join(' --secret ')}`)
  const extra = Object.keys(secrets).filter((name) => !wanted.includes(name))
  if (extra.length > 0) throw new AppError('USAGE_INVALID', `the manifest names no secret ${extra.join(', ')}`)
  return secrets
}

export interface AddFeedOptions {
  readonly set: readonly string[]
  readonly secret: readonly string[]
}

/** A manifest file with its settings and the secrets that it names, as a command gives them. Throws what is wrong with either. */
export function readGivenManifest(
  file: string,
  options: AddFeedOptions,
  datasets: ReadonlyMap<string, Dataset> = loadDatasets(),
): { readonly manifest: Manifest; readonly secrets: Readonly<Record<string, string>> } {
  const manifest = parseManifest(applySettings(readJsonFile(file), options.set), datasets)
  assertTestsPass(manifest, datasetOf(manifest, datasets))
  return { manifest, secrets: readSecrets(manifest, options.secret) }
}

/** `feed add`: registers a feed from its manifest and activates it in one go. Nothing is changed when anything is wrong. */
export async function addFeed(
  place: Place,
  file: string,
  options: AddFeedOptions,
): Promise<{ feed: string; dataset: string }> {
  const { manifest, secrets } = readGivenManifest(file, options, isOpen(place) ? place.datasets : loadDatasets())
  return within(place, async ({ database, keys }) => {
    const { code, dataset } = manifest.feed
    const sealed = seal(keys.sealing, `feed-secrets|${code}`, JSON.stringify(secrets))
    await database.transaction(async ({ query, audit }) => {
      await insertFeed(query, manifest, sealed)
      const details = { version: 1, state: 'active' }
      await audit({ type: 'feed.added', actor: operator(), outcome: 'ok', feed: code, dataset, details })
    })
    return { feed: code, dataset }
  })
}

export async function showFeeds(config: Config): Promise<readonly Readonly<Record<string, unknown>>[]> {
  return within(config, async ({ database }) => {
    const feeds = await listFeeds(database.query)
    return feeds.map(({ code, department, dataset, state, manifest }) => ({
      code,
      department,
      dataset,
      state,
      cron: manifest.schedule.cron,
    }))
  })
}

/** How often a run that is waited for is looked at. */
const LOOK_MS = 200

/** `feed run`: asks for a run now; with `wait`, returns when it has ended. Any worker of the installation does the work. */
export async function runFeedNow(
  place: Place,
  code: string,
  waits: boolean,
  onProgress: (progress: Progress) => void = () => undefined,
): Promise<Run> {
  return within(place, async ({ config, database, databaseUrl }) => {
    const feed = await findFeed(database.query, code)
    const runId = await database.transaction(async ({ query, audit }) => {
      const run = await requestRun(query, feed.feedId)
      if (run.fresh)
        await audit({ type: 'run.requested', actor: operator(), outcome: 'ok', feed: code, object: `run/${run.runId}` })
      return run.runId
    })
    // The ledger has the run already: if the queue is away, the reconciler of a worker brings it in.
    const queues = openQueues(databaseUrl, config.redisUrl, () => undefined)
    await queues.enqueueRun({ runId, epoch: 0 }).catch(() => undefined)
    await queues.close()
    if (waits) for await (const progress of followRun(database.query, runId, LOOK_MS)) onProgress(progress)
    return findRun(database.query, runId)
  })
}

export interface AddConsumerOptions {
  readonly datasets: readonly string[]
  readonly profile: string
  readonly purpose: string
  readonly days: number
  readonly webhook: string | null
}

export interface AddedConsumer {
  readonly consumer: string
  readonly datasets: readonly string[]
  /** Shown once; only a keyed hash is kept. */
  readonly clientSecret: string
  readonly webhookSecret: string | null
}

function pickDatasets(names: readonly string[], datasets: ReadonlyMap<string, Dataset>): readonly Dataset[] {
  return names.map((name) => {
    const dataset = datasets.get(name)
    if (dataset === undefined)
      throw new AppError('USAGE_INVALID', `there is no dataset ${name}; choose from ${[...datasets.keys()].join(', ')}`)
    return dataset
  })
}

function checkWebhook(webhook: string | null): void {
  if (webhook === null || (URL.canParse(webhook) && /^https?:$/.test(new URL(webhook).protocol))) return
  throw new AppError('USAGE_INVALID', '--webhook needs an http or https URL')
}

/** Consumers and accounts get their tokens at one endpoint, so their names have one shape. Throws USAGE_INVALID. */
export function checkClientName(name: string): void {
  if (!/^[a-z][a-z0-9-]{1,39}$/.test(name))
    throw new AppError('USAGE_INVALID', `the name "${name}" is not lower-case letters, digits and hyphens`)
}

/** `consumer add`: registers a consumer with one agreement for each dataset, and a subscription where it takes pushes. */
export async function addConsumer(config: Config, name: string, options: AddConsumerOptions): Promise<AddedConsumer> {
  checkClientName(name)
  checkWebhook(options.webhook)
  return within(config, async ({ database, keys, datasets }) => {
    const granted = pickDatasets(options.datasets, datasets)
    // One secret signs for all datasets of a consumer that is added here; over HTTP each subscription has its own.
    const key = createWebhookKey('hmac-sha256')
    const validTo = new Date(Date.now() + options.days * 86_400_000)
    const clientSecret = await database.transaction(async (transaction) => {
      const { query, audit } = transaction
      const consumerId = await insertConsumer(query, {
        name,
      })
      await audit({ type: 'consumer.added', actor: operator(), outcome: 'ok', object: `consumer/${name}` })
      const made = await giveCredential({ transaction, keys, actor: operator() }, name, { kind: 'secret' })
      for (const dataset of granted) {
        await grantAgreement(transaction, {
          consumer: name,
          consumerId,
          dataset,
          forms: formsOfProfile(options.profile, dataset),
          area: [wholeCityOf(dataset)],
          purpose: options.purpose,
          method: 'copy',
          recordsPerDay: null,
          pageSize: MOST_PAGE,
          validTo,
          grantedBy: operator(),
          isClearApproved: false,
        })
        if (options.webhook === null) continue
        const place = { consumer: name, consumerId, dataset: dataset.name, endpoint: options.webhook, after: null }
        await subscribe(transaction, keys, { ...place, demandsReceipt: false, secrets: [key], actor: operator() })
      }
      return made.secret ?? ''
    })
    return {
      consumer: name,
      datasets: granted.map((dataset) => dataset.name),
      clientSecret,
      webhookSecret: options.webhook === null ? null : key.secret,
    }
  })
}

/** `check`: every schema, and every manifest of the connectors folder with its own tests. Faults are told, not thrown. */
export function checkEverything(connectors: string): {
  readonly datasets: readonly string[]
  readonly manifests: number
  /** Tests inside the manifests. */
  readonly tests: number
  readonly faults: readonly string[]
} {
  const datasets = loadDatasets()
  const files = listConnectors(connectors)
  const results = files.map(({ path }) => {
    try {
      const manifest = parseManifest(readJsonFile(path), datasets)
      assertTestsPass(manifest, datasetOf(manifest, datasets))
      return { tests: manifest.tests?.length ?? 0, faults: [] }
    } catch (error) {
      return { tests: 0, faults: [`${path}: ${(error as Error).message}`] }
    }
  })
  return {
    datasets: [...datasets.keys()],
    manifests: files.length,
    tests: results.reduce((sum, { tests }) => sum + tests, 0),
    faults: results.flatMap(({ faults }) => faults),
  }
}
