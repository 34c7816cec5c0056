import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { makeAuditKey } from '../src/audit-commands.ts'
import { openDatabase } from '../src/store/database.ts'
import { openOldLane, placeAll } from '../test/support/old-log.ts'
import { openWitnessTap } from './taint-receiver.ts'
import type { Stage } from './taint-stage.ts'

/** The log of the play as others hold it. */
export interface SignedLog {
  readonly verifier: string
  /** Month before which everything may be removed, yyyy-MM. */
  readonly prunable: string
}

const LOG = 'taint.example/audit/1'
const OLD_MONTHS = 40
/** A month goes in whole tiles of 256 entries. */
const OLD_ENTRIES = 300

/** Entries of years ago, so that there is something to prune; they have to have their places before anything else has. */
export async function writeOldMonth({ owner, installation }: Stage): Promise<Date> {
  const now = new Date()
  const at = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - OLD_MONTHS, 15, 4))
  const asOwner = async <Row>(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> =>
    (await owner().query(text, [...values])).rows as Row[]
  await (await openOldLane({ asOwner })).write(at, OLD_ENTRIES)
  const url = installation.databaseUrl
  const sequencer = openDatabase({ url, processName: 'sequencer', connections: 1, role: 'gridbridge_sequencer' })
  try {
    await placeAll(sequencer)
  } finally {
    await sequencer.close()
  }
  return at
}

/** Signs the log with a key of its own and has a witness cosign it; everything between the two is kept. */
export async function startSigning(stage: Stage, oldMonth: Date): Promise<SignedLog> {
  const file = (name: string): string => path.join(stage.directories.product, name)
  const log = makeAuditKey(file('audit-key'), LOG)
  const witness = makeAuditKey(file('witness-key'), 'taint.example/witness', 'witness')
  const watching = ['--key', file('witness-key'), '--state', file('witnessed'), '--name', 'taint.example/witness']
  const witnessing = ['src/cli.ts', 'audit', 'witness', ...watching, '--log', log.verifier, '--new-log', '--port', '0']
  const running = await stage.start('witness', witnessing, true)
  stage.onClose(() => running.stop())
  const tap = await openWitnessTap(stage.capture, () => running.listening)
  stage.onClose(tap.close)
  const signing = [
    '--key',
    file('audit-key'),
    '--signed',
    file('audit-signed'),
    '--name',
    LOG,
    '--new-log',
    '--every',
    '2',
  ]
  const signer = await stage.start('signer', ['src/cli.ts', 'audit', 'sign', ...signing], false, {
    WITNESS_URLS: tap.url,
    WITNESS_VERIFIERS: witness.verifier,
  })
  stage.onClose(() => signer.stop())
  const next = new Date(Date.UTC(oldMonth.getUTCFullYear(), oldMonth.getUTCMonth() + 1, 15))
  return { verifier: log.verifier, prunable: next.toISOString().slice(0, 7) }
}

const MOST_WAIT_MS = 60_000

/** Waits until everything that the log holds now is in a signed checkpoint. */
export async function awaitSigned({ owner }: Stage): Promise<boolean> {
  const { rows } = await owner().query<{ entries: string }>('select count(*) as entries from audit.entry')
  const until = Date.now() + MOST_WAIT_MS
  while (Date.now() < until) {
    const { rows: signed } = await owner().query('select 1 from audit.checkpoint where size >= $1', [rows[0]?.entries])
    if (signed.length > 0) return true
    await wait(200)
  }
  return false
}
