import pg from 'pg'
import { setTimeout as wait } from 'node:timers/promises'
import { endFaults, plantFaults } from './faults-plant.ts'
import type { Question } from './taint-accounts.ts'
import type { Answered } from './taint-ask.ts'
import { RESIDENT_FEED } from './taint-feeds.ts'
import type { Faults } from './taint-office.ts'
import type { Stage } from './taint-stage.ts'

type AskAs = (question: Question) => Promise<Answered>

/** What the play goes on with while things break: the calls of two accounts and of a consumer. */
export interface Callers {
  readonly editor: AskAs
  readonly auditor: AskAs
  readonly consumer: AskAs
}

/** Questions that write to the log before they are answered, with clear values at hand on the way. */
const personal = (callers: Callers, number: string): readonly (readonly [AskAs, Question])[] => [
  [callers.consumer, { path: '/api/v1/datasets/resident/changes?limit=50' }],
  [callers.consumer, { path: '/api/v1/datasets/person/snapshot?limit=50' }],
  [
    callers.consumer,
    {
      method: 'POST',
      path: '/api/v1/datasets/resident/queries',
      body: {
        subject: { certType: '111', certNumber: number },
        caseNumber: '泸公信〔2026〕12号',
        reason: '核实走失人员身份信息',
      },
    },
  ],
  [callers.editor, { path: `/api/v1/feeds/${RESIDENT_FEED}/rejections/rows`, kind: 'masked rows' }],
  [callers.editor, { path: '/api/v1/reveals/1/records', isAllowed: true }],
  [callers.editor, { path: `/api/v1/feeds/${RESIDENT_FEED}/rejections/export`, isAllowed: true }],
]

async function askAll(stage: Stage, callers: Callers): Promise<readonly number[]> {
  const asked = personal(callers, stage.book.take().certNumber)
  const answers = await Promise.allSettled(asked.map(([who, question]) => who(question)))
  return answers.map((one) => (one.status === 'fulfilled' ? one.value.status : 0))
}

const ROUNDS = 4

/** The audit log fails, hangs or dies, half of the times it is written to: there is no answer without an entry. */
async function breakLog(stage: Stage, faults: Faults, callers: Callers): Promise<void> {
  const asOwner = async <Row>(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> =>
    (await stage.owner().query(text, [...values])).rows as Row[]
  await plantFaults(asOwner, 0.5)
  try {
    const statuses: number[] = []
    for (let round = 0; round < ROUNDS; round++) statuses.push(...(await askAll(stage, callers)))
    if (!statuses.includes(503)) faults.push('the audit log was broken and nothing was refused')
  } finally {
    await endFaults(asOwner)
  }
}

/** A table that is not there any more: an error that nobody foresaw. */
async function breakTable(stage: Stage, faults: Faults, { auditor }: Callers): Promise<void> {
  const rename = (from: string, to: string): Promise<unknown> =>
    stage.owner().query(`alter table gridbridge.${from} rename to ${to}`)
  await rename('alert', 'alert_gone')
  try {
    const { status } = await auditor({ path: `/api/v1/alerts?department=${stage.book.take().name}` })
    const { status: plain } = await auditor({ path: '/api/v1/alerts' })
    if (plain < 500) faults.push(`a missing table came to ${plain} and ${status}`)
  } finally {
    await rename('alert_gone', 'alert')
  }
}

/** One process of the server is killed, so all of them end and the server recovers from its write-ahead log. */
async function crashDatabase(stage: Stage, faults: Faults, callers: Callers): Promise<void> {
  const victim = new pg.Client({ connectionString: stage.installation.databaseUrl })
  victim.on('error', () => undefined)
  await victim.connect()
  const { rows } = await victim.query<{ pid: number }>('select pg_backend_pid() as pid')
  process.kill(rows[0]?.pid ?? 0, 'SIGKILL')
  await askAll(stage, callers)
  await stage.reconnect()
  for (let tries = 0; tries < 50; tries++) {
    if ((await askAll(stage, callers))[0] === 200) return
    await wait(200)
  }
  faults.push('the API did not come back after its database')
}

/** Commands of a product whose key is gone or another one. */
async function loseKey(stage: Stage, faults: Faults): Promise<void> {
  const other = Buffer.alloc(32, 7).toString('base64')
  for (const [name, key] of [
    ['another key', other],
    ['no key', stage.book.take().certNumber],
  ] as const) {
    await stage.command(`start with ${name}`, ['src/cli.ts', 'start', '--role', 'api'], { GRIDBRIDGE_KEK: key })
    await stage.command(`rotate with ${name}`, ['src/cli.ts', 'keys', 'rotate'], { GRIDBRIDGE_KEK: key })
  }
  const told = stage.capture
    .sinks()
    .some(({ place, bytes }) => place === 'start with another key' && Buffer.from(bytes).includes('KEY_UNAVAILABLE'))
  if (!told) faults.push('a product without its key did not say so')
}

/** Everything that can break while people ask: the log, a table, the key, the database itself. */
export async function playFaults(stage: Stage, faults: Faults, callers: Callers): Promise<void> {
  await breakLog(stage, faults, callers)
  await breakTable(stage, faults, callers)
  await Promise.all([loseKey(stage, faults), crashDatabase(stage, faults, callers)])
  await askAll(stage, callers)
}
