import { createServer } from 'node:http'
import { request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { createEgressGuard, type EgressGuard } from '../../src/security/egress.ts'
import { coversPlace, isEndpointAddress, type Endpoint } from '../../src/security/endpoints.ts'
import { listen } from '../support/listen.ts'
import { hostileHosts } from './address-forms.ts'

let connections = 0
const canary = createServer((_message, answer) => answer.end('reached'))
canary.on('connection', () => (connections += 1))
let port = 0

beforeAll(async () => {
  // Both loopbacks, so that ::1 and its relatives would be heard too.
  port = await listen(canary, '::')
})
afterAll(() => canary.close())

async function outcomeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work()
    return 'reached'
  } catch (error) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      if (cause instanceof AppError) return cause.code
    }
    return URL.canParse((error as { input?: string }).input ?? 'http://x') ? 'not connected' : 'no URL'
  }
}

async function call(guard: EgressGuard, host: string): Promise<string> {
  const agent = guard.agent(500)
  const outcome = await outcomeOf(() => request(`http://${host}:${port}/`, { dispatcher: agent }))
  await agent.destroy()
  return outcome
}

const place = (address: string, firstPort: number, lastPort = firstPort) => ({ address, firstPort, lastPort })

describe('a feed of the API reaches its registered endpoints and nothing else', () => {
  test(
    `none of ${hostileHosts.length} ways of writing another address is connected to`,
    { timeout: 60_000 },
    async () => {
      expect(hostileHosts.length).toBeGreaterThanOrEqual(300)
      // As in production: this installation's own list does not have the word `loopback`.
      const guard = createEgressGuard(['10.0.0.0/8', '127.0.0.0/8', '0.0.0.0/0']).limitedTo([
        place('10.20.0.0/16', 443),
        place('127.0.0.0/8', 1, 65_535),
        place('0.0.0.0/0', 443),
      ])
      const before = connections
      const reached: string[] = []
      for (const host of hostileHosts) if ((await call(guard, host)) === 'reached') reached.push(host)
      expect([reached, connections - before]).toEqual([[], 0])
    },
  )

  test(
    'nor where loopback is open to this installation but another port of it is registered',
    { timeout: 60_000 },
    async () => {
      const guard = createEgressGuard(['loopback', '0.0.0.0/0']).limitedTo([place('127.0.0.1', port + 1)])
      const before = connections
      const outcomes = new Map<string, number>()
      for (const host of hostileHosts) {
        const outcome = await call(guard, host)
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      }
      expect([outcomes.get('reached'), connections - before]).toEqual([undefined, 0])
      expect(outcomes.get('EGRESS_FORBIDDEN')).toBeGreaterThan(200)
    },
  )

  test('the canary hears who is let in, so its silence means something', async () => {
    const guard = createEgressGuard(['loopback']).limitedTo([place('127.0.0.1', port)])
    const before = connections
    expect(await call(guard, '127.0.0.1')).toBe('reached')
    expect(await call(guard, '127.0.0.2')).toBe('EGRESS_FORBIDDEN')
    expect(connections - before).toBe(1)
  })

  test('a host name is an endpoint by its name, whatever address it has, but a forbidden one', async () => {
    const answers = (addresses: readonly string[], allow: readonly string[] = ['loopback']) =>
      createEgressGuard(allow, async () => addresses).limitedTo([place('source.example', port)])
    expect(await call(answers(['127.0.0.1']), 'source.example')).toBe('reached')
    expect(await call(answers(['127.0.0.1']), 'SOURCE.example')).toBe('reached')
    expect(await call(answers(['127.0.0.1']), 'other.example')).toBe('EGRESS_FORBIDDEN')
    expect(await call(answers(['127.0.0.1'], []), 'source.example')).toBe('EGRESS_FORBIDDEN')
    expect(await call(answers(['127.0.0.1', '169.254.169.254']), 'source.example')).toBe('EGRESS_FORBIDDEN')
  })

  test('an operator widens what the installation may call and takes nothing away', async () => {
    const guard = createEgressGuard(['10.20.0.0/16:443']).widenedBy([place('10.30.0.0/16', 8000, 8100)])
    const resolve = (host: string, at: number) => outcomeOf(() => guard.resolve(host, at))
    expect(await resolve('10.20.0.1', 443)).toBe('reached')
    expect(await resolve('10.30.0.1', 8100)).toBe('reached')
    expect(await resolve('10.30.0.1', 8101)).toBe('EGRESS_FORBIDDEN')
    expect(await resolve('10.40.0.1', 443)).toBe('EGRESS_FORBIDDEN')
  })
})

describe('which addresses can be an endpoint', () => {
  test.each([
    ['https', '10.20.0.5', true],
    ['https', '10.20.0.0/16', true],
    ['https', 'fd12::/16', true],
    ['https', 'ga.luzhou.example', true],
    ['https', 'GA.example', false],
    ['https', 'localhost', false],
    ['https', '127.1', false],
    ['https', '0x7f.0x1', false],
    ['https', '2130706433', false],
    ['https', '0.0.0.0/0', false],
    ['https', '10.0.0.0/33', false],
    ['https', '10.0.0.0/8/8', false],
    ['https', '*.example', false],
    ['https', 'a.example/x', false],
    ['https', '/data', false],
    ['file', '/data/drop/ga', true],
    ['file', '/', false],
    ['file', '/data/../etc', false],
    ['file', 'data', false],
  ] as const)('%s %s: %s', (scheme, address, fits) => {
    expect(isEndpointAddress(scheme, address)).toBe(fits)
  })
})

describe('what an endpoint covers', () => {
  const endpoint = (address: string, scheme = 'https'): Endpoint => ({
    endpointId: 1,
    department: 'public-security',
    scheme,
    address,
    firstPort: scheme === 'file' ? 0 : 443,
    lastPort: scheme === 'file' ? 0 : 445,
  })
  test.each<readonly [Endpoint, string, number, boolean]>([
    [endpoint('10.20.0.0/16'), '10.20.9.9', 443, true],
    [endpoint('10.20.0.0/16'), '10.21.0.1', 443, false],
    [endpoint('10.20.0.0/16'), '10.20.9.9', 446, false],
    [endpoint('10.20.0.0/16'), 'ga.example', 443, false],
    [endpoint('fd12::/16'), 'fd12::5', 444, true],
    [endpoint('ga.example'), 'ga.example', 443, true],
    [endpoint('ga.example'), 'x.ga.example', 443, false],
    [endpoint('/data/ga', 'file'), '/data/ga', 0, true],
    [endpoint('/data/ga', 'file'), '/data/ga/in', 0, true],
    [endpoint('/data/ga', 'file'), '/data/gateway', 0, false],
    [endpoint('/data/ga', 'file'), '/data/ga/../mz', 0, false],
  ])('%o and %s:%i: %s', (one, host, at, covers) => {
    expect(coversPlace(one, { scheme: one.scheme, host, port: at })).toBe(covers)
    expect(coversPlace(one, { scheme: 'ftps', host, port: at })).toBe(false)
  })
})
