import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { createPostgresBackend, withBackend, type Queue } from 'bullmq'
import pg from 'pg'
import type { SinkKind } from './taint-capture.ts'
import { writeAs } from './taint-forms.ts'
import { ask } from './taint-questions.ts'
import { captureEnvironment, type Hit } from './taint-sinks.ts'
import type { Stage } from './taint-stage.ts'

/** A deliberate leak: one field in one form, put where the product could have put it. */
interface Leak {
  readonly field: string
  readonly form: string
  readonly plant: (stage: Stage, value: Buffer) => Promise<unknown> | void
}

const text = (value: Buffer): string => value.toString('utf8')

/** A rejected row's sealed bytes are overwritten; rolled back, the value stays in the table's file alone. */
const overwriteSealed = `update gridbridge.rejection set sealed = $1 where rejection_id = (select min(rejection_id) from gridbridge.rejection)`

async function rollBack({ owner }: Stage, value: Buffer): Promise<void> {
  await owner.query('begin')
  await owner.query(overwriteSealed, [value])
  await owner.query('rollback')
}

async function enqueue({ installation }: Stage, value: Buffer): Promise<void> {
  const queue = new (withBackend(createPostgresBackend).Queue)('leak', {
    connection: { connectionString: installation.databaseUrl, schema: 'bullmq' },
  }) as unknown as Queue
  queue.on('error', () => undefined)
  await queue.add('leak', { name: text(value) })
  await queue.close()
}

/** The server's log comes through a pipe of this process, so it is there a moment later. */
async function raiseLog({ owner }: Stage, value: Buffer): Promise<void> {
  await owner.query(`select set_config('taint.leak', $1, false)`, [text(value)])
  await owner.query(`do $$ begin raise log '%', current_setting('taint.leak'); end $$`)
  await wait(300)
}

async function stayConnected({ installation, onClose }: Stage, value: Buffer): Promise<void> {
  const client = new pg.Client({ connectionString: installation.databaseUrl, application_name: text(value) })
  await client.connect()
  onClose(() => client.end())
}

const printing = (stream: 'stdout' | 'stderr', value: Buffer): readonly string[] => [
  '-e',
  `process.${stream}.write(Buffer.from(process.argv[1], 'hex'))`,
  value.toString('hex'),
]

async function printLog(stage: Stage, value: Buffer): Promise<void> {
  await stage.start('leak', printing('stderr', value), false)
  await wait(500)
}

async function inheritEnvironment(stage: Stage, value: Buffer): Promise<void> {
  const child = await stage.start('leak', ['-e', 'setTimeout(() => undefined, 5000)'], false, { LEAK: text(value) })
  await wait(300)
  captureEnvironment(stage, 'leak', child.pid)
  await child.stop('SIGKILL')
}

/** Asks a server that answers the value, as the product's own API is asked. */
async function askLeaking(stage: Stage, name: string, status: number, value: Buffer): Promise<void> {
  const server = createServer((_request, response) =>
    response.writeHead(status).end(Buffer.concat([Buffer.from('{"detail":"'), value, Buffer.from('"}')])),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  await ask(stage, name, `http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  server.closeAllConnections()
  server.close()
}

/** One leak for each kind of sink, each in a form of its own, so that what is found can have come from nowhere else. */
const leaks: Readonly<Record<SinkKind, Leak>> = {
  'product tables': {
    field: 'certNumber',
    form: 'utf-16le',
    plant: ({ owner }, value) => owner.query(overwriteSealed, [value]),
  },
  'audit entries': {
    field: 'name',
    form: 'percent',
    plant: ({ installation }, value) =>
      installation.database.transaction(({ audit }) =>
        audit({ type: 'access.denied', actor: 'unknown', outcome: 'denied', details: { reason: text(value) } }),
      ),
  },
  'queue tables': { field: 'phone', form: 'base64', plant: enqueue },
  catalogue: {
    field: 'phone',
    form: 'reversed',
    plant: ({ owner }, value) => owner.query(`comment on table gridbridge.feed is ${pg.escapeLiteral(text(value))}`),
  },
  'statement activity': { field: 'certNumber', form: 'utf-8', plant: stayConnected },
  'data files': { field: 'name', form: 'gb18030', plant: rollBack },
  'write-ahead log': {
    field: 'permitNo',
    form: 'hex',
    plant: ({ owner }, value) => owner.query(`select pg_logical_emit_message(true, 'leak', $1::text)`, [text(value)]),
  },
  'server log': { field: 'phone', form: 'spaced', plant: raiseLog },
  'process logs': { field: 'name', form: 'utf-16be', plant: printLog },
  'process environment': { field: 'householdNo', form: 'utf-8', plant: inheritEnvironment },
  'command output': {
    field: 'workplace',
    form: 'percent',
    plant: (stage, value) => stage.command('leak', printing('stdout', value)),
  },
  'http answers': {
    field: 'certNumber',
    form: 'sha256',
    plant: (stage, value) => askLeaking(stage, 'leak', 200, value),
  },
  'problem answers': {
    field: 'name',
    form: 'json-escape',
    plant: (stage, value) => askLeaking(stage, 'leaking problem', 422, value),
  },
  metrics: { field: 'phone', form: 'md5', plant: (stage, value) => askLeaking(stage, '/metrics', 200, value) },
  deliveries: {
    field: 'mark',
    form: 'sm3',
    plant: ({ receiver }, value) => fetch(`${receiver.url}/leak`, { method: 'POST', body: new Uint8Array(value) }),
  },
  'receiver files': {
    field: 'certNumber',
    form: 'sha1',
    plant: ({ directories }, value) => writeFileSync(path.join(directories.platform, 'leak'), value),
  },
  'temporary files': {
    field: 'registeredAddress',
    form: 'gb18030',
    plant: ({ directories }, value) => writeFileSync(path.join(directories.temporary, 'leak'), value),
  },
  'queue server': {
    field: 'certNumber',
    form: 'full-width',
    plant: async ({ queueServer }, value) => queueServer?.client.set('leak', value),
  },
}

const isPlantable = ({ queueServer }: Stage, kind: SinkKind): boolean => kind !== 'queue server' || queueServer !== null

/** Plants one leak in each kind of sink. Returns how to tell which of them a search has missed. */
export async function plantLeaks(stage: Stage): Promise<(hits: readonly Hit[]) => readonly SinkKind[]> {
  const planted = (Object.entries(leaks) as [SinkKind, Leak][]).filter(([kind]) => isPlantable(stage, kind))
  for (const [, { field, form, plant }] of planted) {
    const canary = stage.book.canaries().find((one) => one.field === field)
    if (canary !== undefined) await plant(stage, writeAs(form, canary.value))
  }
  return (hits) =>
    planted
      .filter(
        ([kind, { field, form }]) => !hits.some((hit) => hit.sink === kind && hit.field === field && hit.form === form),
      )
      .map(([kind]) => kind)
}
