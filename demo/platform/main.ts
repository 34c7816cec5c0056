import { parseArgs } from 'node:util'
import { announce, readWhole, serve, stopOnSignal } from '../departments/serve.ts'
import type { Reply, Request } from '../departments/serve.ts'
import { openLedger } from './ledger.ts'
import { receive } from './receive.ts'
import { readSecret } from './signature.ts'

/** The grid platform of the demo: takes deliveries, keeps its own ledger, and tells what it holds. */
const { values } = parseArgs({
  options: {
    secret: { type: 'string' },
    data: { type: 'string', default: 'data/platform' },
    port: { type: 'string' },
    'fail-first': { type: 'string' },
    slow: { type: 'string' },
  },
})

const secret = readSecret(values.secret ?? '')
const slowMs = readWhole(values.slow, 'slow', 0)
const ledger = await openLedger(values.data)
let failuresLeft = readWhole(values['fail-first'], 'fail-first', 0)
let previous: Promise<unknown> = Promise.resolve()

// One delivery after the other: the check for a repeat and the entry must not be parted.
function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  const result = previous.then(work)
  previous = result.catch(() => undefined)
  return result
}

async function takeDelivery({ headers, body }: Request): Promise<Reply> {
  if (failuresLeft > 0) {
    failuresLeft -= 1
    return { status: 503, body: { error: 'told to fail' } }
  }
  const text = (name: string): string => String(headers[name] ?? '')
  const given = { id: text('webhook-id'), timestamp: text('webhook-timestamp'), signatures: text('webhook-signature') }
  const reply = await inTurn(() => receive(ledger, secret, given, body))
  // After the ledger has it and before the sender knows: where a crash of the sender must lead to a redelivery.
  if (slowMs > 0) await new Promise((resolve) => setTimeout(resolve, slowMs))
  return reply
}

const routes: Readonly<Record<string, (request: Request) => Reply | Promise<Reply>>> = {
  'POST /webhook': takeDelivery,
  'GET /ledger': ({ query }) => ({
    status: 200,
    body: ledger.summarise(new URLSearchParams(query).get('digest') === '1'),
  }),
  'GET /healthz': () => ({ status: 200, body: { ok: true } }),
}

const { server, url } = await serve(readWhole(values.port, 'port', 0), (request) => {
  const route = routes[`${request.method} ${request.path}`]
  return route === undefined ? { status: 404, body: { error: 'unknown' } } : route(request)
})
stopOnSignal(server, () => ledger.close())
announce({ listening: url })
