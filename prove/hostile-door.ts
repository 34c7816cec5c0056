import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { memoryLimits, projectRoot } from '../demo/processes.ts'
import { loadConfig } from '../src/config.ts'
import type { FileFormat } from '../src/feeds/manifest-file.ts'
import { openInstallation, type Installation } from '../src/installation.ts'
import { signRequest } from '../src/security/request-signature.ts'
import { seal } from '../src/security/seal.ts'
import { insertFeed } from '../src/store/feeds.ts'
import { createManifest } from '../test/feeds/sample-manifest.ts'
import { packWorkbook, textRow, workbookParts } from '../test/ingest/sources/workbook.ts'
import { enter, postOver } from '../test/support/sign-in.ts'
import { registerAccount } from '../test/support/ledger.ts'
import { honestSchemas } from './honest-schemas.ts'
import { hostileFiles, type HostileFile } from './hostile-files.ts'
import { hostileBodies } from './hostile-http.ts'
import type { Probed } from './hostile-probe.ts'
import { evilSchemas } from './hostile-schemas.ts'
import { hostileTexts } from './hostile-texts.ts'
import { hostileWorkbooks } from './hostile-workbooks.ts'

export interface DoorVerdict {
  readonly ok: boolean
  readonly attacks: number
  /** Answers by status. */
  readonly answers: Readonly<Record<string, number>>
  /** Attacks that were accepted where they may not be, broke something inside, or took too long. */
  readonly failed: readonly string[]
  readonly slowestMs: number
  /** Growth of the server at its most. */
  readonly megabytes: number
  readonly probe: Probed
  /** Connections that sent their headers a letter at a time, and those of them that the server ended. */
  readonly slow: { readonly opened: number; readonly ended: number }
}

/** What a caller waits at most, and what the server may grow by (hostile input must cost others nothing). */
const MOST_MS = 2000
const MOST_MEGABYTES = 100
const MOST_PROBE_MS = 100
const SLOW_CONNECTIONS = 100
const HEADERS_TIMEOUT_MS = 10_000
/** No body beyond this is sent on: the door takes 16 MB and refuses by the length alone. */
const MOST_SENT = 17 * 1024 * 1024

const KEY = { appKey: 'app-of-attacker', appSecret: 'made-up-posting-secret' }
const types = {
  csv: 'text/csv',
  ndjson: 'application/x-ndjson',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
} as const

interface Attack {
  readonly what: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** Whether it may be taken: rows that are refused one by one later are taken first. */
  readonly mayPass: boolean
}

async function addFeed({ database, keys }: Installation, code: string, format: FileFormat): Promise<void> {
  const manifest = createManifest({
    source: {
      kind: 'push',
      auth: { kind: 'hmac', digest: 'sm3', appKey: 'appKey', appSecret: 'appSecret' },
      upload: format,
      pageSize: 500,
    },
    limits: { pageBytes: 16 * 1024 * 1024, pages: 1000 },
  })
  const secrets = seal(keys.sealing, `feed-secrets|${code}`, JSON.stringify(KEY))
  await insertFeed(database.query, { ...manifest, feed: { ...manifest.feed, code } }, secrets)
}

const feedOf: Readonly<Record<string, string>> = { xlsx: 'LZ-MZ-PU-001', csv: 'LZ-MZ-PU-002', gb18030: 'LZ-MZ-PU-003' }
const codeFor = (format: HostileFile['format']): string =>
  (format.kind === 'csv' && format.encoding === 'gb18030' ? feedOf['gb18030'] : feedOf[format.kind]) ?? 'LZ-MZ-PU-002'

function upload(what: string, code: string, type: string, body: Buffer, mayPass: boolean): Attack {
  const url = `/api/v1/feeds/${code}/batches`
  const signed = { method: 'POST', path: url, query: [], body, appKey: KEY.appKey, secret: KEY.appSecret }
  const proof = signRequest({ ...signed, timestamp: Date.now(), nonce: randomUUID() })
  const headers = { ...proof, 'x-batch-no': randomUUID(), 'content-type': type }
  return { what, path: url, headers, body, mayPass }
}

async function uploadOf({ what, format, content, code }: HostileFile): Promise<Attack> {
  const given = await content()
  const body = (typeof given === 'string' ? Buffer.from(given) : Buffer.from(given)).subarray(0, MOST_SENT)
  return upload(`upload: ${what}`, codeFor(format), types[format.kind], body, code === null)
}

const post = (what: string, url: string, authorization: string, body: Buffer, more: object = {}): Attack => ({
  what,
  path: url,
  headers: { authorization, 'content-type': 'application/json', ...more },
  body: body.subarray(0, MOST_SENT),
  mayPass: false,
})

/** One schema that is tried and one upload of each kind. */
async function makeHonest(authorization: string): Promise<readonly Attack[]> {
  const schema = honestSchemas.find(({ dataset }) => dataset === 'resident')?.text ?? ''
  const workbook = await packWorkbook(workbookParts(textRow(1, 'id', 'name') + textRow(2, '1', '张测试')))
  return [
    post('schema', '/api/v1/datasets/resident/impact', authorization, Buffer.from(`{"schema":${schema}}`)),
    upload('workbook', 'LZ-MZ-PU-001', types.xlsx, workbook, true),
    upload('table', 'LZ-MZ-PU-002', types.csv, Buffer.from('id,name\n1,张测试\n'.repeat(10_000)), true),
    upload('lines', 'LZ-MZ-PU-002', types.ndjson, Buffer.from('{"id":"1"}\n'.repeat(50_000)), true),
  ]
}

/** Every n-th of all attacks, made one at a time, because some are 100 MB before they are packed. */
async function* makeAttacks(authorization: string, every: number): AsyncGenerator<Attack> {
  const isTurn = (_: unknown, place: number): boolean => place % every === 0
  for (const { what, text } of evilSchemas.filter(isTurn)) {
    const body = Buffer.from(`{"schema":${text}}`)
    yield post(`schema: ${what}`, '/api/v1/datasets/resident/impact', authorization, body)
  }
  for (const file of [...hostileFiles, ...hostileTexts, ...hostileWorkbooks].filter(isTurn)) yield await uploadOf(file)
  for (const { what, bytes, headers } of hostileBodies.filter(isTurn)) {
    const body = bytes()
    yield post(`body: ${what}`, '/api/v1/feeds', authorization, body, headers)
    yield upload(`batch: ${what}`, 'LZ-MZ-PU-002', 'application/json', body.subarray(0, MOST_SENT), true)
  }
}

const isSound = ({ mayPass }: Attack, status: number, milliseconds: number): boolean =>
  milliseconds <= MOST_MS && (mayPass ? status < 500 : status >= 400 && status < 500)

async function send(base: string, { path: url, headers, body }: Attack): Promise<number> {
  try {
    const response = await fetch(base + url, { method: 'POST', headers, body: new Uint8Array(body) })
    await response.arrayBuffer()
    return response.status
  } catch {
    // The server answers and closes while a body is still on its way; what it answered is then lost to this client.
    return 413
  }
}

/** Somebody else's requests all the while. */
function probe(base: string, authorization: string): () => Promise<Probed> {
  const thread = new Worker(new URL('hostile-probe.ts', import.meta.url), { workerData: { base, authorization } })
  return async () => {
    const told = once(thread, 'message')
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    thread.postMessage('end')
    const [probed] = (await told) as [Probed]
    return probed
  }
}

/** Connections that say their headers a letter at a time (slowloris) for as long as they are let. */
function dribble(base: string): () => DoorVerdict['slow'] {
  let ended = 0
  const { port } = new URL(base)
  for (let opened = 0; opened < SLOW_CONNECTIONS; opened++) {
    const socket = connect(Number(port), '127.0.0.1')
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n')
    const timer = setInterval(() => socket.write('x'), 500)
    socket.on('error', () => undefined)
    // What the server says to them is read, or its end would not be heard.
    socket.resume()
    socket.on('close', () => {
      clearInterval(timer)
      ended += 1
    })
  }
  return () => ({ opened: SLOW_CONNECTIONS, ended })
}

async function readAddress(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('no output')
  for await (const line of createInterface(child.stdout)) return (JSON.parse(line) as { listening: string }).listening
  throw new Error(`the server ended with ${child.exitCode}`)
}

const memoryOf = (pid: number | undefined, what: 'VmHWM' | 'VmRSS'): number =>
  Number(new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024

type Fight = Omit<DoorVerdict, 'ok'>

async function fight(child: ChildProcess, base: string, authorization: string, every: number): Promise<Fight> {
  // What honest use loads is not what an attack costs.
  for (const attack of await makeHonest(authorization)) await send(base, attack)
  const before = memoryOf(child.pid, 'VmRSS')
  if (existsSync(`/proc/${child.pid}/clear_refs`)) writeFileSync(`/proc/${child.pid}/clear_refs`, '5')
  const answers: Record<string, number> = {}
  const failed: string[] = []
  let [attacks, slowestMs] = [0, 0]
  const countSlow = dribble(base)
  const startedAt = performance.now()
  const stopProbe = probe(base, authorization)
  for await (const attack of makeAttacks(authorization, every)) {
    const begun = performance.now()
    const status = await send(base, attack)
    const milliseconds = Math.round(performance.now() - begun)
    attacks += 1
    slowestMs = Math.max(slowestMs, milliseconds)
    answers[status] = (answers[status] ?? 0) + 1
    if (!isSound(attack, status, milliseconds)) failed.push(`${attack.what}: ${status} after ${milliseconds} ms`)
  }
  const probed = await stopProbe()
  await wait(Math.max(0, HEADERS_TIMEOUT_MS + 4000 - (performance.now() - startedAt)))
  const megabytes = Math.round(memoryOf(child.pid, 'VmHWM') - before)
  return { attacks, answers, failed, slowestMs, megabytes, probe: probed, slow: countSlow() }
}

const isProven = ({ failed, megabytes, probe: { asked, p99, failed: unheard }, slow }: Fight): boolean =>
  failed.length === 0 &&
  megabytes <= MOST_MEGABYTES &&
  asked > 0 &&
  unheard === 0 &&
  p99 <= MOST_PROBE_MS &&
  slow.ended === slow.opened

/**
 * Throws every corpus at the door of a running product, one after another, while a hundred connections dribble and somebody else asks
 * for what everybody asks for. `every`: only each n-th attack.
 */
export async function proveDoor({ every }: { readonly every: number }): Promise<DoorVerdict> {
  const data = mkdtempSync(path.join(tmpdir(), 'gridbridge-door-'))
  chmodSync(data, 0o711)
  const opened = await openInstallation(loadConfig({ GRIDBRIDGE_DATA: data }), 'prove')
  const { database, databaseUrl } = opened
  const installation = { ...opened, ownerUrl: databaseUrl, asOwner: database.query }
  const environment = { DATABASE_URL: databaseUrl, GRIDBRIDGE_KEK_FILE: path.join(data, 'keys', 'kek'), PORT: '0' }
  const child = spawn(process.execPath, [...memoryLimits, 'src/cli.ts', 'start'], {
    cwd: projectRoot,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  try {
    await addFeed(opened, 'LZ-MZ-PU-001', { kind: 'xlsx' })
    await addFeed(opened, 'LZ-MZ-PU-002', { kind: 'csv', encoding: 'utf-8', delimiter: ',' })
    await addFeed(opened, 'LZ-MZ-PU-003', { kind: 'csv', encoding: 'gb18030', delimiter: ',' })
    const engineer = await registerAccount(installation, 'engineer', 'system-administrator')
    const base = await readAddress(child)
    const fought = await fight(child, base, await enter(postOver(base), engineer), every)
    return { ok: isProven(fought), ...fought }
  } finally {
    child.kill('SIGTERM')
    await opened.close()
    rmSync(data, { recursive: true, force: true })
  }
}
