import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { fetch, request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { createEgressGuard } from '../../src/security/egress.ts'
import { listen } from '../support/listen.ts'

let connections = 0
const canary = createServer((message, answer) => answer.end(JSON.stringify({ host: message.headers.host })))
canary.on('connection', () => (connections += 1))
let port = 0

beforeAll(async () => {
  // Both loopbacks, so that ::1 and its relatives would be heard too.
  port = await listen(canary, '::')
})
afterAll(() => canary.close())

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work()
  } catch (error) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      if (cause instanceof AppError) return cause.code
    }
    return 'uncoded'
  }
  return 'allowed'
}

const everything = ['0.0.0.0/0', '[::]/0', '127.0.0.0/8', '[::1]/128']

const loopbackForms = [
  '127.0.0.1',
  '127.1',
  '127.0.0.2',
  '2130706433',
  '0x7f.1',
  '0x7f000001',
  '017700000001',
  '①②⑦.0.0.1',
  '127。0。0。1',
  '0',
  '0.0.0.0',
  'localhost',
  '[::1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::127.0.0.1]',
  '[::ffff:0:127.0.0.1]',
  '[64:ff9b::7f00:1]',
  '[64:ff9b:1::7f00:1]',
  '[2002:7f00:1::]',
]

test.each(loopbackForms)('loopback written as %s is refused although every range is listed', async (host) => {
  const guard = createEgressGuard(everything)
  const agent = guard.agent(1000)
  const before = connections
  const plain = host.replace(/^\[|\]$/g, '')
  expect(await codeOf(() => fetch(`http://${host}:${port}/`, { dispatcher: agent }))).toBe('EGRESS_FORBIDDEN')
  expect(await codeOf(() => request(`http://${host}:${port}/`, { dispatcher: agent }))).toBe('EGRESS_FORBIDDEN')
  expect(await codeOf(() => guard.resolve(plain, port))).toBe('EGRESS_FORBIDDEN')
  expect(connections).toBe(before)
  await agent.close()
})

test.each([
  '169.254.169.254',
  '[::ffff:169.254.169.254]',
  '[64:ff9b::a9fe:a9fe]',
  '100.100.100.200',
  '[fd00:ec2::254]',
  '[fe80::1]',
  '224.0.0.1',
  '[ff02::1]',
  '255.255.255.255',
  '[2001:0:a9fe:a9fe::1]',
])('%s is never called, even when it is listed', async (host) => {
  const listed = [...everything, 'loopback', '169.254.169.254', '100.100.100.200', '[fd00:ec2::254]', '[fe80::]/10']
  const guard = createEgressGuard(listed)
  expect(await codeOf(() => guard.assertUrl(`http://${host}/latest`))).toBe('EGRESS_FORBIDDEN')
  expect(await codeOf(() => guard.resolve(host.replace(/^\[|\]$/g, ''), 80))).toBe('EGRESS_FORBIDDEN')
})

test('the word loopback opens loopback, and the request keeps its Host', async () => {
  const guard = createEgressGuard(['loopback'], async () => ['127.0.0.1'])
  const agent = guard.agent(1000)
  const answer = await fetch(`http://source.invalid:${port}/`, { dispatcher: agent })
  expect(await answer.json()).toEqual({ host: `source.invalid:${port}` })
  await agent.close()
})

test('a TLS connection to the pinned address still asks for the name', async () => {
  let asked = ''
  const server = createTlsServer({
    SNICallback: (name, done) => {
      asked = name
      done(new Error('no certificate here'))
    },
  })
  const tlsPort = await listen(server)
  const guard = createEgressGuard(['loopback'], async () => ['127.0.0.1'])
  const agent = guard.agent(1000)
  expect(await codeOf(() => fetch(`https://source.invalid:${tlsPort}/`, { dispatcher: agent }))).toBe('uncoded')
  expect(asked).toBe('source.invalid')
  await agent.close()
  server.close()
})

test('every address of a name is checked, so one bad answer among good ones refuses it', async () => {
  const guard = createEgressGuard(['10.20.0.0/16'], async () => ['10.20.0.5', '127.0.0.1'])
  expect(await codeOf(() => guard.resolve('source.invalid', 443))).toBe('EGRESS_FORBIDDEN')
  const none = createEgressGuard(['10.20.0.0/16'], async () => [])
  expect(await codeOf(() => none.resolve('source.invalid', 443))).toBe('EGRESS_FORBIDDEN')
})

test('a name that is rebound between two look-ups is connected to the address that was checked', async () => {
  const answers = ['10.20.0.5', '127.0.0.1']
  let asked = 0
  const guard = createEgressGuard(['10.20.0.0/16'], async () => [answers[asked++] ?? '127.0.0.1'])
  const before = connections
  const agent = guard.agent(200)
  expect(await codeOf(() => fetch(`http://source.invalid:${port}/`, { dispatcher: agent }))).toBe('uncoded')
  expect(asked).toBe(1)
  expect(await codeOf(() => fetch(`http://source.invalid:${port}/`, { dispatcher: agent }))).toBe('EGRESS_FORBIDDEN')
  expect(connections).toBe(before)
  await agent.close()
})

test('a redirect to a forbidden address is not followed', async () => {
  const before = connections
  const door = createTcpServer((socket) =>
    socket.end(`HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:${port}/\r\nContent-Length: 0\r\n\r\n`),
  )
  const doorPort = await listen(door)
  const agent = createEgressGuard(['loopback']).agent(1000)
  const answer = await request(`http://127.0.0.1:${doorPort}/`, { dispatcher: agent })
  expect([answer.statusCode, connections]).toEqual([302, before])
  await answer.body.dump()
  await agent.close()
  door.close()
})

test('ranges and ports are taken as they are listed', async () => {
  const guard = createEgressGuard(['10.20.0.0/16:443,8443', '10.30.0.7', '[fd12::]/16:443'])
  const answers = await Promise.all(
    [
      ['10.20.3.4', 443],
      ['10.20.3.4', 8443],
      ['10.20.3.4', 80],
      ['10.21.0.1', 443],
      ['10.30.0.7', 5432],
      ['10.30.0.8', 5432],
      ['fd12::1', 443],
      ['fd12::1', 444],
      ['fd13::1', 443],
      ['::ffff:10.20.3.4', 443],
    ].map(([host, at]) => codeOf(() => guard.resolve(String(host), Number(at)))),
  )
  const no = 'EGRESS_FORBIDDEN'
  const yes = 'allowed'
  expect(answers).toEqual([yes, yes, no, no, yes, no, yes, no, no, yes])
  expect(guard.assertUrl('https://10.20.3.4/people').port).toBe('')
  expect(await codeOf(() => guard.assertUrl('http://10.20.3.4/people'))).toBe(no)
})

test.each([
  'ftp://10.20.0.5/',
  'file:///etc/passwd',
  'http://',
  'not a url',
  'http://name:word@10.20.0.5:443/?token=s3',
])('the URL %s is refused without being repeated', async (url) => {
  const guard = createEgressGuard(['10.20.0.0/16'])
  expect(await codeOf(() => guard.assertUrl(url))).toBe('EGRESS_FORBIDDEN')
  expect(() => guard.assertUrl(url)).not.toThrow(/word|token|s3|passwd/)
})

test.each(['/var/run/postgresql', 'a b', 'name@10.20.0.5', '10.20.0.5/x', ''])(
  'the host "%s" of a driver is refused',
  async (host) => {
    expect(await codeOf(() => createEgressGuard(['0.0.0.0/0']).resolve(host, 5432))).toBe('EGRESS_FORBIDDEN')
  },
)

test('a refusal says what was asked and what is allowed', async () => {
  const guard = createEgressGuard(['10.20.0.0/16:443'])
  await expect(guard.resolve('192.168.1.1', 443)).rejects.toThrow(/192\.168\.1\.1:443.*10\.20\.0\.0\/16:443/)
})

test.each([
  '10.20.0.0/33',
  'fd12::/16',
  '10.20.0.0/16:0',
  '10.20.0.0/16:99999',
  'example.org',
  '*',
  '[fd12::]/129',
  '',
])('the entry "%s" of the allow list is a wrong setting', (entry) => {
  expect(() => createEgressGuard([entry])).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
})
