/**
 * The process that offers every hostile address to every door while a canary listens. In a network namespace of its own (first
 * argument `alone`) it takes the forbidden addresses themselves, so that whoever got through would be heard. Prints AddressFacts.
 */
import { execFileSync } from 'node:child_process'
import { createServer } from 'node:net'
import { lookup as lookupName } from 'node:dns/promises'
import { createEgressGuard, type EgressGuard, type Lookup } from '../src/security/egress.ts'
import { hostileHosts } from '../test/security/address-forms.ts'
import { listen } from '../test/support/listen.ts'
import { addressDoors, redirectedDoors, type AddressDoor, type Place } from './address-doors.ts'

export interface AddressFacts {
  readonly forms: number
  readonly doors: number
  readonly attempts: number
  /** Connections that the canary heard where none may be. */
  readonly connections: readonly string[]
  /** Doors that the canary did not hear although they were let in: its silence would mean nothing. */
  readonly deaf: readonly string[]
}

/** Forbidden and private ones, as addresses of this machine. */
const TAKEN = [
  '169.254.169.254/32',
  '100.100.100.200/32',
  '10.255.0.1/32',
  '192.168.0.1/32',
  '172.16.0.1/32',
  'fd00:ec2::254/128',
  'fc00::1/128',
  'fe80::1/64',
]

if (process.argv[2] === 'alone') {
  execFileSync('ip', ['link', 'set', 'lo', 'up'])
  for (const address of TAKEN) execFileSync('ip', ['address', 'add', address, 'dev', 'lo'])
}

let heard = 0
const canary = createServer((socket) => {
  heard += 1
  socket.on('error', () => undefined)
  socket.destroy()
})
const port = await listen(canary, '::')

/** Sends everybody on to the place that the path does not name: the next form. */
let sentTo = ''
const sender = createServer((socket) => {
  socket.on('error', () => undefined)
  socket.once('data', () =>
    socket.end(`HTTP/1.1 307 Temporary Redirect\r\nLocation: http://${sentTo}/\r\nContent-Length: 0\r\n\r\n`),
  )
})
const senderPort = await listen(sender, '127.0.0.1')

/** A name that is good when it is asked for first and bad ever after; one with a bad address among good ones. */
const asked = new Map<string, number>()
const GOOD = '10.20.0.5'
const forbidden = ['127.0.0.1', '::1', '169.254.169.254', '100.100.100.200', '10.255.0.1', 'fd00:ec2::254', '0.0.0.0']
const lookup: Lookup = async (host) => {
  const [kind, place] = host.split('.')
  const bad = forbidden[Number(place)] ?? '127.0.0.1'
  if (kind === 'mixed') return [GOOD, bad]
  if (kind === 'bad') return [bad]
  if (kind === 'rebound') {
    const times = asked.get(host) ?? 0
    asked.set(host, times + 1)
    return times === 0 ? [GOOD] : [bad]
  }
  return (await lookupName(host, { all: true })).map(({ address }) => address)
}

const range = (address: string, firstPort: number, lastPort = firstPort) => ({ address, firstPort, lastPort })
/** As in production: the installation calls what is private, and each feed its own registered endpoints. */
const production = createEgressGuard(['10.20.0.0/16', '192.168.0.0/16', '0.0.0.0/0', '[::]/0'], lookup).limitedTo([
  range('10.20.0.0/16', 1, 65_535),
  range('127.0.0.0/8', 1, 65_535),
  range('169.254.0.0/16', 1, 65_535),
])
/** As in development, with a registered address on this machine. */
const development = createEgressGuard(['loopback', '10.20.0.0/16'], lookup).limitedTo([
  range('10.20.0.0/16', 1, 65_535),
  range('127.0.0.1', senderPort),
])

let attempts = 0
const connections: string[] = []
async function attempt(what: string, door: AddressDoor, place: Place, guard: EgressGuard): Promise<void> {
  const before = heard
  attempts += 1
  await door(place, guard).catch(() => undefined)
  if (heard > before) connections.push(what)
}

const doors = Object.entries(addressDoors)
for (const [name, door] of doors) {
  for (const host of hostileHosts) {
    await attempt(`${name} ${host} production`, door, { host, port }, production)
    await attempt(`${name} ${host} development`, door, { host, port }, development)
  }
  for (const kind of ['bad', 'mixed', 'rebound', 'rebound'])
    for (const place of forbidden.keys())
      await attempt(
        `${name} ${kind} ${place}`,
        door,
        { host: `${kind}.${place}.${name.replaceAll(' ', '-')}.invalid`, port },
        production,
      )
}
for (const [name, door] of Object.entries(redirectedDoors))
  for (const host of hostileHosts) {
    sentTo = `${host}:${port}`
    await attempt(`${name} redirected to ${host}`, door, { host: '127.0.0.1', port: senderPort }, development)
  }

const open = createEgressGuard(['loopback', '10.20.0.0/16'], lookup)
const deaf: string[] = []
for (const [name, door] of doors) {
  const before = heard
  await door({ host: '127.0.0.1', port }, open).catch(() => undefined)
  if (heard === before) deaf.push(name)
}
canary.close()
sender.close()
const facts: AddressFacts = { forms: hostileHosts.length, doors: doors.length, attempts, connections, deaf }
process.stdout.write(JSON.stringify(facts), () => process.exit(0))
