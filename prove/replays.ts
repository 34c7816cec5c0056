import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { loadConfig } from '../src/config.ts'
import { recogniseClient } from '../src/http/clients.ts'
import { buildServer } from '../src/http/server.ts'
import { openInstallation, type Installation } from '../src/installation.ts'
import { openLog } from '../src/log.ts'
import { createEgressGuard } from '../src/security/egress.ts'
import { signRequest } from '../src/security/request-signature.ts'
import { giveCredential } from '../src/sharing/credentials.ts'
import { insertConsumer } from '../src/store/consumers.ts'
import { openDatabase, type Database } from '../src/store/database.ts'
import { createRandom, type Random } from './random.ts'

export interface ReplayVerdict {
  readonly ok: boolean
  readonly seed: number
  readonly attacks: number
  /** Attacks that were let in, by kind. */
  readonly accepted: Readonly<Record<string, number>>
  /** Requests of the client itself, each sent to both replicas in the same moment; each was let in by one of them. */
  readonly sent: number
  readonly letIn: number
}

/** A request as it goes over the wire. */
interface Wire {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly url: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

type Replica = Awaited<ReturnType<typeof openReplica>>

const CONSUMERS = ['platform-one', 'platform-two'] as const

/** One server of several on one database, with its own connections, and a route that only says who asked. */
async function openReplica({ databaseUrl, keys, datasets, jurisdiction }: Installation) {
  const database: Database = openDatabase({ url: databaseUrl, processName: 'replica', connections: 6 })
  const context = {
    database,
    keys,
    datasets,
    jurisdiction,
    tokenSeconds: 600,
    auditDeadlineMs: 10_000,
    publicUrl: null,
  }
  const server = await buildServer({
    ...context,
    version: '0.0.0',
    previewsPerHour: 1,
    revealRules: { perDay: 1, minutes: 1, urgentMinutes: 1, hours: 1 },
    egress: createEgressGuard([]),
    logger: openLog('silent', 'replica'),
    tls: null,
    trustedProxies: [],
    signIn: loadConfig({}).signIn,
    cityIdentity: null,
  })
  const url = '/api/v1/prove/:what'
  server.route({
    method: ['GET', 'POST', 'PUT'],
    url,
    config: { access: 'consumers' },
    handler: (asked) => recogniseClient(context, asked),
  })
  const address = await server.listen({ host: '127.0.0.1', port: 0 })
  const agent = new Agent({ keepAlive: true, maxSockets: 12 })
  const close = async (): Promise<void> => {
    agent.destroy()
    await server.close()
    await database.close()
  }
  return { send: (wire: Wire) => sendWire(agent, Number(new URL(address).port), wire), close }
}

/** Sends a request letter by letter, which fetch and its URL would not. True where it was let in. */
async function sendWire(agent: Agent, port: number, { method, url, body, headers }: Wire): Promise<boolean> {
  const typed = body === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const asking = request({ agent, host: '127.0.0.1', port, method, path: url, headers: { ...headers, ...typed } })
  asking.end(body)
  const [answer] = (await once(asking, 'response')) as [IncomingMessage]
  const told = await text(answer)
  if ((answer.statusCode ?? 500) >= 500) throw new Error(`wanted an answer, got ${told}`)
  return answer.statusCode === 200
}

const QUERIES = ['', 'cursor=AB&limit=5', 'area=5105&q=%E7%BD%91%E6%A0%BC'] as const

/** A request that a client signed as it should. */
function signAs(name: string, secret: string, number: number): Wire {
  const method = number % 2 === 0 ? 'POST' : 'GET'
  const [body, query] = [method === 'POST' ? JSON.stringify({ number, note: '核实' }) : '', QUERIES[number % 3] ?? '']
  const at = `/api/v1/prove/item-${number % 7}`
  const facts = { method, path: at, query: new URLSearchParams(query), body, appKey: name, secret }
  const headers = signRequest({ ...facts, timestamp: Date.now(), nonce: randomUUID() })
  const lower = Object.entries(headers).map(([header, value]) => [header.toLowerCase(), value] as const)
  return { method, url: query === '' ? at : `${at}?${query}`, body, headers: Object.fromEntries(lower) }
}

const flip = (hex: string, place: number): string =>
  hex.slice(0, place) + (hex[place] === '0' ? '1' : '0') + hex.slice(place + 1)

const withHeader = (wire: Wire, name: string, change: (value: string) => string): Wire => ({
  ...wire,
  headers: { ...wire.headers, [name]: change(wire.headers[name] ?? '') },
})

type Attack = (wire: Wire, other: Wire, random: Random) => Wire

/** What somebody can do to a request that was never delivered; each makes another request of it. */
const edits: Readonly<Record<string, Attack>> = {
  method: (wire) => ({ ...wire, method: 'PUT' }),
  path: (wire) => ({ ...wire, url: wire.url.replace(/item-\d/, 'item-9') }),
  'path, encoded': (wire) => ({ ...wire, url: wire.url.replace('item-', 'item%2D') }),
  'one more parameter': (wire) => ({ ...wire, url: `${wire.url}${wire.url.includes('?') ? '&' : '?'}limit=1000` }),
  'a second question mark': (wire) => ({ ...wire, url: `${wire.url}${wire.url.includes('?') ? '' : '?a=1'}?b=2` }),
  'a fragment': (wire) => ({ ...wire, url: `${wire.url}#limit=1000` }),
  body: (wire) => ({ ...wire, method: 'POST', body: `${wire.body === '' ? '{}' : wire.body} ` }),
  'another body': (wire) => ({ ...wire, method: 'POST', body: '{"number":-1}' }),
  'name of another client': (wire, other) => withHeader(wire, 'x-app-key', () => other.headers['x-app-key'] ?? ''),
  timestamp: (wire, _other, random) =>
    withHeader(wire, 'x-timestamp', (value) => String(Number(value) + 1 + random(1000))),
  'timestamp, spelt otherwise': (wire) => withHeader(wire, 'x-timestamp', (value) => `${value}.0`),
  nonce: (wire) => withHeader(wire, 'x-nonce', () => randomUUID()),
  'a bit of the signature': (wire, _other, random) =>
    withHeader(wire, 'x-signature', (value) => flip(value, random(64))),
  'signature of another request': (wire, other) =>
    withHeader(wire, 'x-signature', () => other.headers['x-signature'] ?? ''),
  'no signature': (wire) => withHeader(wire, 'x-signature', () => ''),
}

interface Client {
  readonly name: string
  readonly secret: string
}

interface Plan {
  readonly kind: string
  readonly wire: Wire
}

/** Half of the attacks send again what was let in, in any order; the other half edit what was never delivered. */
function planAttack(number: number, sent: readonly Wire[], clients: readonly Client[], random: Random): Plan {
  const again = sent[random(sent.length)]
  if (again !== undefined && number % 2 === 0) return { kind: 'replay', wire: again }
  const [one, other] = number % 4 === 1 ? clients : clients.toReversed()
  if (one === undefined || other === undefined) throw new Error('wanted two clients')
  const names = Object.keys(edits)
  const kind = names[random(names.length)] ?? ''
  const [wire, foreign] = [signAs(one.name, one.secret, number), signAs(other.name, other.secret, number + 1)]
  return { kind, wire: edits[kind]?.(wire, foreign, random) ?? wire }
}

async function registerClients({ database, keys }: Installation): Promise<readonly Client[]> {
  return database.transaction(async (transaction) => {
    const clients: Client[] = []
    for (const name of CONSUMERS) {
      await insertConsumer(transaction.query, { name })
      const work = { transaction, keys, actor: 'system:prove' }
      const { secret } = await giveCredential(work, name, { kind: 'signing', digest: 'sm3' })
      clients.push({ name, secret: secret ?? '' })
    }
    return clients
  })
}

/** As many at once as keep both replicas busy. */
const TOGETHER = 12

async function inTurns<Item, Result>(items: readonly Item[], work: (item: Item, place: number) => Promise<Result>) {
  const results: Result[] = []
  for (let start = 0; start < items.length; start += TOGETHER) {
    const turn = items.slice(start, start + TOGETHER)
    results.push(...(await Promise.all(turn.map((item, place) => work(item, start + place)))))
  }
  return results
}

async function attackReplicas(
  replicas: readonly [Replica, Replica],
  clients: readonly Client[],
  { attacks, seed }: { readonly attacks: number; readonly seed: number },
): Promise<ReplayVerdict> {
  const random = createRandom(seed)
  const numbers = Array.from({ length: Math.ceil(attacks / 20) }, (_, number) => number)
  const sent = numbers.map((number) => signAs(CONSUMERS[number % 2] ?? '', clients[number % 2]?.secret ?? '', number))
  const answers = await inTurns(sent, (wire) => Promise.all(replicas.map((replica) => replica.send(wire))))
  const letIn = answers.filter((both) => both.filter(Boolean).length === 1).length
  const turns = Array.from({ length: attacks }, (_, number) => number)
  const outcomes = await inTurns(turns, async (number) => {
    const { kind, wire } = planAttack(number, sent, clients, random)
    return (await replicas[random(2) === 0 ? 0 : 1].send(wire)) ? kind : null
  })
  const counted = Object.groupBy(
    outcomes.filter((kind) => kind !== null),
    (kind) => kind,
  )
  const accepted = Object.fromEntries(Object.entries(counted).map(([kind, all]) => [kind, all?.length ?? 0]))
  const ok = letIn === sent.length && Object.keys(accepted).length === 0
  return { ok, seed, attacks, accepted, sent: sent.length, letIn }
}

/**
 * Two replicas of the API on one database. A client's own signed requests go to both in the same moment; then whoever listened
 * sends them again in any order, and edits others that were never delivered. Nothing but the client's own may be let in, once.
 */
export async function proveReplays(options: {
  readonly attacks: number
  readonly seed: number
}): Promise<ReplayVerdict> {
  const directory = mkdtempSync(path.join(tmpdir(), 'gridbridge-replays-'))
  const installation = await openInstallation(loadConfig({ GRIDBRIDGE_DATA: directory }), 'prove')
  try {
    const clients = await registerClients(installation)
    const replicas = [await openReplica(installation), await openReplica(installation)] as const
    const verdict = await attackReplicas(replicas, clients, options)
    for (const replica of replicas) await replica.close()
    return verdict
  } finally {
    await installation.close()
    rmSync(directory, { recursive: true, force: true })
  }
}
