import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { deflateSync, gzipSync } from 'node:zlib'
import { createPostgresBackend, withBackend, type Queue } from 'bullmq'
import pg from 'pg'
import { ask } from './taint-ask.ts'
import { writeAs } from './taint-forms.ts'
import { redisKinds, type SinkKind } from './taint-kinds.ts'
import { openWitnessTap } from './taint-receiver.ts'
import { captureEnvironment, type Hit } from './taint-sinks.ts'
import type { Stage } from './taint-stage.ts'

/** A deliberate leak: one field in one form, put where the product could have put it. */
interface Leak {
  readonly field: string
  readonly form: string
  /** The form in which it is found, where that is another. */
  readonly found?: string
  readonly plant: (stage: Stage, value: Buffer) => Promise<unknown> | void
}

const leak = (field: string, form: string, plant: Leak['plant']): Leak => ({ field, form, plant })
const text = (value: Buffer): string => value.toString('utf8')

/** A rejected row's sealed bytes are overwritten; rolled back, the value stays in the table's file alone. */
const overwrite = `update gridbridge.rejection set sealed = $1
  where rejection_id = (select rejection_id from gridbridge.rejection where sealed is not null order by 1 offset $2 limit 1)`

const overwriteSealed =
  (place: number) =>
  ({ owner }: Stage, value: Buffer): Promise<unknown> =>
    owner().query(overwrite, [value, place])

async function rollBack(stage: Stage, value: Buffer): Promise<void> {
  await stage.owner().query('begin')
  await overwriteSealed(2)(stage, value)
  await stage.owner().query('rollback')
}

const writeEntry = ({ installation }: Stage, value: Buffer): Promise<unknown> =>
  installation.database.transaction(({ audit }) =>
    audit({ type: 'access.denied', actor: 'unknown', outcome: 'denied', details: { reason: text(value) } }),
  )

async function withQueue({ installation }: Stage, work: (queue: Queue) => Promise<unknown>): Promise<void> {
  const queue = new (withBackend(createPostgresBackend).Queue)('leak', {
    connection: { connectionString: installation.databaseUrl, schema: 'bullmq' },
  }) as unknown as Queue
  queue.on('error', () => undefined)
  await work(queue)
  await queue.close()
}

const enqueue = (stage: Stage, value: Buffer): Promise<void> =>
  withQueue(stage, (queue) => queue.add('leak', { name: text(value) }))

/** What a job reports as its progress is told to everybody who listens. */
const publish = (stage: Stage, value: Buffer): Promise<void> =>
  withQueue(stage, async (queue) => (await queue.add('told', {})).updateProgress({ name: text(value) }))

/** The server's log comes through a pipe of this process, so it is there a moment later. */
async function raiseLog({ owner }: Stage, value: Buffer): Promise<void> {
  await owner().query(`select set_config('taint.leak', $1, false)`, [text(value)])
  await owner().query(`do $$ begin raise log '%', current_setting('taint.leak'); end $$`)
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

/** A process of the product writes this, as one that has lost its way would. */
async function print(stage: Stage, stream: 'stdout' | 'stderr', before: string, value: Buffer): Promise<void> {
  const line = Buffer.concat([Buffer.from(`${before}"`), value, Buffer.from('"\n')])
  await stage.start('leak', printing(stream, line), false)
  await wait(500)
}

const sleeping = ['-e', 'setTimeout(() => undefined, 5000)'] as const

async function runWith(
  stage: Stage,
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  const child = await stage.start('leak', [...sleeping, ...words], false, environment)
  await wait(300)
  captureEnvironment(stage, 'leak', child.pid)
  await child.stop('SIGKILL')
}

interface LeakingAnswer {
  readonly name?: string
  readonly kind?: SinkKind
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
}

/** Asks a server that answers the value, as the product's own API is asked. */
async function askLeaking(
  stage: Stage,
  value: Buffer,
  { name = 'leak', kind, status = 200, headers = {} }: LeakingAnswer,
): Promise<void> {
  const body =
    Object.keys(headers).length > 0 ? '' : Buffer.concat([Buffer.from('{"detail":"'), value, Buffer.from('"}')])
  const server = createServer((_request, response) => response.writeHead(status, headers).end(body))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  await ask(stage, name, url, {}, kind === undefined ? {} : { kind })
  server.closeAllConnections()
  server.close()
}

const answered =
  (answer: LeakingAnswer) =>
  (stage: Stage, value: Buffer): Promise<void> =>
    askLeaking(stage, value, answer)

const answeredIn =
  (header: string, write: (value: Buffer) => string = text) =>
  (stage: Stage, value: Buffer): Promise<void> =>
    askLeaking(stage, value, { headers: { [header]: write(value) } })

const written =
  (folder: keyof Stage['directories'], write: (value: Buffer) => Uint8Array = (value) => value) =>
  ({ directories }: Stage, value: Buffer): void =>
    writeFileSync(path.join(directories[folder], 'leak'), write(value))

const told =
  (statement: (literal: string, name: string) => string) =>
  ({ owner }: Stage, value: Buffer): Promise<unknown> =>
    owner().query(statement(pg.escapeLiteral(text(value)), pg.escapeIdentifier(text(value))))

/** An index entry of a committed row. */
async function fillIndex({ owner }: Stage, value: Buffer): Promise<void> {
  await owner().query('create table gridbridge.leak (value text primary key)')
  await owner().query('insert into gridbridge.leak values ($1)', [text(value)])
}

const post = (
  url: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>>,
): Promise<Response> => fetch(`${url}/leak`, { method: 'POST', body, headers })

async function tapWitness({ capture, receiver }: Stage, value: Buffer): Promise<void> {
  const tap = await openWitnessTap(capture, () => receiver.url)
  await fetch(tap.url, { method: 'POST', body: new Uint8Array(value) })
  tap.close()
}

/** One leak for each kind of sink, each in a form of its own, so that what is found can have come from nowhere else. */
const leaks: Readonly<Record<SinkKind, Leak>> = {
  'product tables': leak('certNumber', 'utf-16le', overwriteSealed(0)),
  'audit bodies': leak('name', 'percent', writeEntry),
  'audit columns': leak('mark', 'utf-8', ({ owner }, value) =>
    owner().query(`update audit.lane set process = $1 where process = 'old'`, [text(value)]),
  ),
  'queue tables': leak('phone', 'base64', enqueue),
  'queue events': leak('phone', 'hex', publish),
  catalogue: leak(
    'phone',
    'reversed',
    told((literal) => `comment on table gridbridge.feed is ${literal}`),
  ),
  // In a dump, bytes are hex.
  'plain dump': { ...leak('workplace', 'utf-8', overwriteSealed(1)), found: 'hex' },
  'statement activity': leak('certNumber', 'utf-8', stayConnected),
  'statement statistics': leak(
    'houseId',
    'utf-8',
    told((_literal, name) => `select 1 as ${name}`),
  ),
  'table files': leak('name', 'gb18030', rollBack),
  'index files': leak('householdNo', 'reversed', fillIndex),
  'other server files': leak(
    'addressCode',
    'utf-8',
    told((literal) => `alter system set application_name = ${literal}`),
  ),
  'write-ahead log': leak(
    'permitNo',
    'hex',
    told((literal) => `select pg_logical_emit_message(true, 'leak', ${literal}::text)`),
  ),
  'server log': leak('phone', 'spaced', raiseLog),
  'statement log': leak(
    'permitNo',
    'reversed',
    told((literal) => `set taint.leak = ${literal}`),
  ),
  'query plans': leak(
    'permitNo',
    'base64',
    told((literal) => `select from gridbridge.feed where code = ${literal}`),
  ),
  'standard output': leak('name', 'utf-16le', (stage, value) => print(stage, 'stdout', '', value)),
  'application log': leak('name', 'hex', (stage, value) => print(stage, 'stderr', '{"msg":', value)),
  'access log': leak('name', 'percent', (stage, value) =>
    print(stage, 'stderr', '{"code":"REQUEST_BEGUN","url":', value),
  ),
  'crash output': leak('name', 'utf-16be', (stage, value) => print(stage, 'stderr', 'Error: ', value)),
  'process environment': leak('householdNo', 'utf-8', (stage, value) => runWith(stage, [], { LEAK: text(value) })),
  'process arguments': leak('householdNo', 'base64', (stage, value) => runWith(stage, [text(value)], {})),
  'command output': leak('workplace', 'percent', (stage, value) => stage.command('leak', printing('stdout', value))),
  'command errors': leak('workplace', 'gb18030', (stage, value) => stage.command('leak', printing('stderr', value))),
  'http answers': leak('certNumber', 'sha256', answered({})),
  'answer headers': leak('certNumber', 'hex', answeredIn('x-leak')),
  'file names': leak('phone', 'utf-8', answeredIn('content-disposition')),
  'problem answers': leak('name', 'json-escape', answered({ status: 422 })),
  metrics: leak('phone', 'md5', answered({ name: '/metrics' })),
  'health answers': leak('phone', 'sha1', answered({ name: '/readyz' })),
  documentation: leak('registeredAddress', 'json-escape', answered({ name: '/openapi.json' })),
  'masked rows': leak('residenceAddress', 'utf-8', answered({ kind: 'masked rows' })),
  alerts: leak('certNumber', 'spaced', answered({ kind: 'alerts' })),
  oversight: leak('certNumber', 'reversed', answered({ kind: 'oversight' })),
  'audit reports': leak('certNumber', 'base64', answered({ kind: 'audit reports' })),
  'reveal papers': leak('certNumber', 'md5', answered({ kind: 'reveal papers', status: 403 })),
  'incident papers': leak('name', 'utf-8', answered({ kind: 'incident papers' })),
  'freeze answers': leak('phone', 'full-width', answered({ kind: 'freeze answers' })),
  checkpoints: leak(
    'phone',
    'sm3',
    answeredIn('gridbridge-checkpoint', (value) => value.toString('base64')),
  ),
  deliveries: leak('mark', 'sm3', ({ receiver }, value) => post(receiver.url, new Uint8Array(value), {})),
  'delivery headers': leak('mark', 'hex', ({ receiver }, value) => post(receiver.url, '', { 'x-leak': text(value) })),
  'receiver files': leak('certNumber', 'sha1', written('platform')),
  'export files': leak('buildingName', 'utf-8', (stage, value) =>
    askLeaking(stage, gzipSync(value), { kind: 'export files' }),
  ),
  'witness traffic': leak('realEstateUnitNo', 'utf-8', tapWitness),
  'evidence packages': leak(
    'certNumber',
    'sm3',
    written('evidence', (value) => Buffer.from(deflateSync(value).toString('base64').padStart(48, 'A'))),
  ),
  'audit archives': leak('name', 'reversed', written('archive', gzipSync)),
  'report files': leak('name', 'reversed', written('reports')),
  'product files': leak('name', 'md5', written('product')),
  'temporary files': leak('registeredAddress', 'gb18030', written('temporary')),
  'queue server files': leak('certNumber', 'full-width', async ({ queueServer }, value) =>
    queueServer?.client.set('leak', value),
  ),
  'queue server commands': leak('permitNo', 'spaced', async ({ queueServer }, value) => queueServer?.client.get(value)),
}

const isPlantable = ({ queueServer }: Stage, kind: SinkKind): boolean => !redisKinds.has(kind) || queueServer !== null

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
        ([kind, { field, form, found = form }]) =>
          !hits.some((hit) => hit.sink === kind && hit.field === field && hit.form === found),
      )
      .map(([kind]) => kind)
}
