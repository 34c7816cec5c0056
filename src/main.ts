import { readFileSync } from 'node:fs'
import { readWitnesses } from './audit-commands.ts'
import type { Config, TlsFiles } from './config.ts'
import { AppError } from './errors.ts'
import { buildServer, type ServerTls } from './http/server.ts'
import { openInstallation, version, type Installation } from './installation.ts'
import { startAgreementWatch } from './jobs/agreement-watch.ts'
import { startAuditIndex } from './jobs/audit-index.ts'
import { startWeekly } from './jobs/audit-reports.ts'
import { startDisposal } from './jobs/disposal.ts'
import { startExportRemoval } from './jobs/export-removal.ts'
import { startHousekeeping } from './jobs/housekeeping.ts'
import { startIncidentClock } from './jobs/incident-clock.ts'
import { startKeyRotation } from './jobs/key-rotation.ts'
import { startLogAlarm } from './jobs/log-alarm.ts'
import { startLogCheck } from './jobs/log-check.ts'
import { startOversight } from './jobs/oversight.ts'
import { startProjector } from './jobs/projector.ts'
import { assertRedisKeepsJobs, openQueues, type JobQueues } from './jobs/queues.ts'
import { startRecalls } from './jobs/recalls.ts'
import { startReconciler } from './jobs/reconciler.ts'
import { startSequencer } from './jobs/sequencer.ts'
import { openTrialSigners } from './jobs/signer-files.ts'
import { startSigner } from './jobs/signer.ts'
import { startSigningWatch } from './jobs/signing-watch.ts'
import { startTimetable } from './jobs/timetable.ts'
import { startVerificationDelivery } from './jobs/verification-delivery.ts'
import { measureSkew, MOST_SKEW_MS, startWatchdog } from './jobs/watchdog.ts'
import { makeHandlers } from './jobs/workers.ts'
import { causeOf, type LogFields } from './log-events.ts'
import { openLog, type Log } from './log.ts'
import { openCityIdentity, type CityIdentity } from './security/city-identity.ts'
import { createEgressGuard, type EgressGuard } from './security/egress.ts'
import { openDatabase } from './store/database.ts'

export const roles = ['api', 'worker', 'scheduler', 'sequencer', 'signer'] as const
export type Role = (typeof roles)[number]

/** The roles of a process that was given none. A city signs apart from everything that can write its database, by `audit sign`. */
export const usualRoles = ({ databaseUrl }: Config): readonly Role[] =>
  roles.filter((role) => role !== 'signer' || databaseUrl === null)

/** A part of the running product that is stopped in the reverse order of its start. */
type Stop = () => Promise<void> | void

interface Parts {
  readonly installation: Installation
  readonly queues: JobQueues
  readonly log: Log
}

/** A supervisor starts the process again; 70 is EX_SOFTWARE of sysexits. */
const WATCHDOG_EXIT = 70

function readSetting(name: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new AppError('CONFIG_INVALID', `${name} names a file that cannot be read`, { cause: error })
  }
}

const readTls = ({ certificate, key, clientAuthority }: TlsFiles): ServerTls => ({
  certificate: readSetting('TLS_CERT_FILE', certificate),
  key: readSetting('TLS_KEY_FILE', key),
  clientAuthority: clientAuthority === null ? null : readSetting('TLS_CLIENT_CA_FILE', clientAuthority),
})

type Pass = LogFields<'PASS_FAILED'>['pass']

const failed =
  (log: Log, pass: Pass) =>
  (error: unknown): void =>
    log.tell('PASS_FAILED', { pass, cause: causeOf(error) })

function openIdentity({ oidc, publicUrl }: Config, egress: EgressGuard): CityIdentity | null {
  if (oidc === null) return null
  return openCityIdentity({ ...oidc, redirectUri: `${publicUrl}/api/v1/session/oidc/callback` }, egress)
}

async function startApi({ installation, log }: Parts): Promise<Stop> {
  const { config, database, keys, datasets, jurisdiction } = installation
  const egress = createEgressGuard(config.egressAllow)
  const server = await buildServer({
    version,
    database,
    keys,
    logger: log,
    datasets,
    jurisdiction,
    egress,
    tokenSeconds: config.tokenSeconds,
    auditDeadlineMs: config.auditDeadlineMs,
    previewsPerHour: config.previewsPerHour,
    revealRules: config.revealRules,
    signIn: config.signIn,
    cityIdentity: openIdentity(config, egress),
    trustedProxies: config.trustedProxies,
    publicUrl: config.publicUrl,
    tls: config.tls === null ? null : readTls(config.tls),
  })
  const address = await server.listen({ host: config.host, port: config.port })
  log.tell('API_LISTENING', { port: Number(new URL(address).port) })
  process.stdout.write(`${JSON.stringify({ listening: address })}\n`)
  return () => server.close()
}

/** What goes back to departments, and what departments take back. */
function startWayBack({ installation, log }: Parts, egress: EgressGuard): () => Promise<void> {
  const { config, database, datasets, keys, jurisdiction } = installation
  const stopDelivery = startVerificationDelivery(
    { database, keys, egress, auditDeadlineMs: config.auditDeadlineMs },
    failed(log, 'verification-delivery'),
  )
  const stopRecalls = startRecalls({ database, datasets, keys, clocks: jurisdiction.clocks }, failed(log, 'recalls'))
  return async () => {
    await stopDelivery()
    await stopRecalls()
  }
}

/** What is done to what rests here: removing what a feed left behind, and sealing again what an old key sealed. */
function startUpkeep({ installation: { database, keys }, log }: Parts): () => Promise<void> {
  const stopDisposal = startDisposal(database, failed(log, 'disposal'))
  const rotation = { database, keys, actor: 'system:worker' }
  const stopKeyRotation = startKeyRotation(rotation, failed(log, 'key-rotation'))
  return async () => {
    await stopDisposal()
    await stopKeyRotation()
  }
}

async function startWorker({ installation, queues, log }: Parts): Promise<Stop> {
  const { config, database, datasets, keys } = installation
  const skew = await measureSkew(database.query)
  if (skew > MOST_SKEW_MS)
    throw new AppError(
      'CONFIG_INVALID',
      `this machine's clock is ${Math.round(skew)} ms from the database's; set it right`,
    )
  const egress = createEgressGuard(config.egressAllow)
  const handlers = makeHandlers({
    database,
    datasets,
    keys,
    egress,
    queues,
    auditDeadlineMs: config.auditDeadlineMs,
    exportRules: config.exportRules,
    report: (event) => log.tell('SLICE_ENDED', event),
  })
  const workers = queues.openWorkers(handlers)
  const stopReconciler = startReconciler(database, queues, failed(log, 'reconciler'))
  const stopProjector = startProjector({ database, datasets, keys }, failed(log, 'projector'))
  const stopUpkeep = startUpkeep({ installation, queues, log })
  const stopWayBack = startWayBack({ installation, queues, log }, egress)
  const stopWatchdog = startWatchdog(database.query, (finding) => {
    log.tell('WATCHDOG', { finding })
    process.exit(WATCHDOG_EXIT)
  })
  log.tell('WORKER_READY', { queue: queues.backend })
  return async () => {
    stopWatchdog()
    await stopReconciler()
    await stopProjector()
    await stopUpkeep()
    await stopWayBack()
    await workers.close()
  }
}

function startScheduler({ installation, queues, log }: Parts): Promise<Stop> {
  const { config, database, datasets, jurisdiction } = installation
  const timetable = startTimetable(database, queues, failed(log, 'timetable'))
  const rules = { ...config, datasets, clocks: jurisdiction.clocks }
  const stopHousekeeping = startHousekeeping(database, rules, failed(log, 'housekeeping'))
  const stopIncidentClock = startIncidentClock(database, jurisdiction.incidentDuties, failed(log, 'incidents'))
  const stopAgreementWatch = startAgreementWatch(database, failed(log, 'agreements'))
  const stopExportRemoval = startExportRemoval(database, failed(log, 'exports'))
  const stopSigningWatch = startSigningWatch(
    database,
    { witnesses: readWitnesses(config).map(({ verifier }) => verifier.name), witnessSeconds: config.witnessSeconds },
    failed(log, 'signing-watch'),
  )
  const stopWeekly = startWeekly(database, failed(log, 'reports'))
  const stopLogCheck = startLogCheck({ database, databaseUrl: installation.databaseUrl }, failed(log, 'log-check'))
  const stopOversight = startOversight(database, failed(log, 'oversight'))
  return Promise.resolve(async () => {
    await stopSigningWatch()
    await stopWeekly()
    await stopLogCheck()
    await stopOversight()
    await stopExportRemoval()
    await stopAgreementWatch()
    await stopIncidentClock()
    await stopHousekeeping()
    await timetable.stop()
  })
}

/** It has a connection of its own: what may build the tree may do nothing else, and what serves may not build it. */
function startTreeBuilder({ installation, log }: Parts): Promise<Stop> {
  const url = installation.config.sequencerDatabaseUrl ?? installation.databaseUrl
  // The tree must not wait for the indexes behind it.
  const database = openDatabase({ url, processName: 'sequencer', connections: 2, role: 'gridbridge_sequencer' })
  const stop = startSequencer(
    database,
    (error) => log.tell('SEQUENCER_FAILED', { cause: causeOf(error) }),
    installation.config.cryptoSuite,
  )
  const stopIndex = startAuditIndex(database, failed(log, 'audit-index'))
  return Promise.resolve(async () => {
    await stopIndex()
    await stop()
    await database.close()
  })
}

/** The embedded installation signs for itself, with a key beside its database. Throws CONFIG_INVALID where a city's database is used. */
function startTrialSigner({ installation, log }: Parts): Promise<Stop> {
  const { config, databaseUrl: url } = installation
  if (config.databaseUrl !== null)
    throw new AppError('CONFIG_INVALID', 'the role signer is for trying out; sign by `gridbridge audit sign`')
  const database = openDatabase({ url, processName: 'signer', connections: 1, role: 'gridbridge_signer' })
  const signers = openTrialSigners(config.dataDirectory, config.cryptoSuite).map((one) => ({ ...one, isNewLog: true }))
  const stop = startSigner(database, signers, (error) => log.tell('SIGNER_FAILED', { cause: causeOf(error) }))
  return Promise.resolve(async () => {
    await stop()
    await database.close()
  })
}

const starters = {
  api: startApi,
  worker: startWorker,
  scheduler: startScheduler,
  sequencer: startTreeBuilder,
  signer: startTrialSigner,
} as const satisfies Record<Role, (parts: Parts) => Promise<Stop>>

/**
 * Starts the named roles in this process. Returns how to stop them: work in hand is finished, then connections are closed.
 * Throws a coded error when a setting, the database, the queue or a key is not as it must be.
 */
export async function start(config: Config, wanted: readonly Role[]): Promise<Stop> {
  const processName = wanted.join('+')
  const log = openLog(config.logLevel, processName)
  if (config.redisUrl !== null) await assertRedisKeepsJobs(config.redisUrl)
  const installation = await openInstallation(config, processName, 12)
  const queues = openQueues(installation.databaseUrl, config.redisUrl, failed(log, 'queue'))
  const stops: Stop[] = [
    () => installation.close(),
    () => queues.close(),
    startLogAlarm(installation.database, log, processName, failed(log, 'log-alarm')),
  ]
  const stopAll = async (): Promise<void> => {
    for (const stop of stops.toReversed()) await stop()
  }
  try {
    for (const role of wanted) stops.push(await starters[role]({ installation, queues, log }))
  } catch (error) {
    // What was started already would keep the process alive after its refusal.
    await stopAll()
    throw error
  }
  return async () => {
    await stopAll()
    log.tell('STOPPED', {})
  }
}
