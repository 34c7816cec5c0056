import { getCiphers, getHashes } from 'node:crypto'
import type { Config } from './config.ts'
import { toAppError } from './errors.ts'
import { loadDatasets } from './feeds/datasets.ts'
import { openInstallation } from './installation.ts'
import { ageOfSealingKey } from './key-commands.ts'
import { assertRedisKeepsJobs } from './jobs/queues.ts'
import { measureSkew, MOST_SKEW_MS } from './jobs/watchdog.ts'

export interface Finding {
  readonly check: string
  readonly ok: boolean
  readonly detail: string
}

type Check = readonly [name: string, look: (config: Config) => Promise<string> | string]

const OLDEST_NODE = 24

function wants(condition: boolean, detail: string): string {
  if (!condition) throw new Error(detail)
  return detail
}

async function lookAtDatabase(config: Config): Promise<string> {
  const installation = await openInstallation(config, 'doctor', 2)
  try {
    const [row] = await installation.database.query<{ version: string }>(
      `select current_setting('server_version') as version`,
    )
    const skew = await measureSkew(installation.database.query)
    wants(skew <= MOST_SKEW_MS, `clock ${Math.round(skew)} ms from the database's`)
    return `PostgreSQL ${row?.version}, migrated, keys open, clock within ${MOST_SKEW_MS} ms`
  } finally {
    await installation.close()
  }
}

async function lookAtSigning(config: Config): Promise<string> {
  const installation = await openInstallation(config, 'doctor', 2)
  try {
    const { unsignedSeconds, isBehind } = await installation.database.signing()
    return wants(
      !isBehind,
      `the oldest audit entry without a signed checkpoint is ${Math.round(unsignedSeconds)} s old`,
    )
  } finally {
    await installation.close()
  }
}

async function lookAtKeys(config: Config): Promise<string> {
  const installation = await openInstallation(config, 'doctor', 2)
  try {
    const days = await ageOfSealingKey(installation)
    const age = `the sealing key is ${days} days old`
    return wants(days <= config.keyDays, days <= config.keyDays ? age : `${age}; run gridbridge keys rotate`)
  } finally {
    await installation.close()
  }
}

async function lookAtQueue({ redisUrl }: Config): Promise<string> {
  if (redisUrl === null) return 'on PostgreSQL'
  await assertRedisKeepsJobs(redisUrl)
  return 'on Redis, noeviction'
}

const checks: readonly Check[] = [
  [
    'node',
    () =>
      wants(
        Number(process.versions.node.split('.')[0]) >= OLDEST_NODE,
        `Node ${process.versions.node}, ${OLDEST_NODE} or newer is wanted`,
      ),
  ],
  ['algorithms', () => wants(getHashes().includes('sm3') && getCiphers().includes('sm4-ctr'), 'SM3 and SM4-CTR')],
  ['schemas', () => `${loadDatasets().size} datasets`],
  [
    'egress',
    ({ egressAllow }) =>
      wants(
        egressAllow.length > 0,
        `GRIDBRIDGE_EGRESS_ALLOW lists ${egressAllow.length} ranges; without one no department can be read`,
      ),
  ],
  ['database', lookAtDatabase],
  ['keys', lookAtKeys],
  ['queue', lookAtQueue],
  ['signing', lookAtSigning],
]

/** Looks at everything the product needs and tells what is wrong, without changing anything but an embedded database's start. */
export async function examine(config: Config): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const [check, look] of checks) {
    try {
      findings.push({ check, ok: true, detail: await look(config) })
    } catch (error) {
      const coded = toAppError(error)
      const plain = coded.code === 'INTERNAL' && error instanceof Error
      findings.push({ check, ok: false, detail: plain ? error.message : `${coded.code} ${coded.message}` })
    }
  }
  return findings
}
