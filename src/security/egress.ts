import { lookup as lookupAddresses } from 'node:dns/promises'
import type { Socket } from 'node:net'
import { BlockList, isIP, isIPv6 } from 'node:net'
import { Agent, buildConnector } from 'undici'
import { AppError } from '../errors.ts'

/** All addresses of a host name. Rejects when the name is unknown. */
export type Lookup = (host: string) => Promise<readonly string[]>

/** What one side of mTLS holds, as PEM text: the client's certificate and key, and whom to trust instead of the public authorities. */
export interface ClientTls {
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly ca?: string | undefined
}

/** Decides which addresses this installation may call. Everything that is not listed is refused. */
export interface EgressGuard {
  /**
   * An undici Agent that connects only to checked addresses, IP literals included, within `connectMs` milliseconds. A
   * refusal arrives as the request's error or in its `cause` chain: AppError EGRESS_FORBIDDEN.
   */
  readonly agent: (connectMs: number, tls?: ClientTls) => Agent
  /**
   * The checked address to connect to instead of `host`, for drivers that open their own socket. Throws AppError
   * EGRESS_FORBIDDEN; a failing name lookup is passed on as it came.
   */
  readonly resolve: (host: string, port: number) => Promise<string>
  /** The parsed URL if it is http(s), carries no user information and, for an IP literal, is listed. Throws EGRESS_FORBIDDEN. */
  readonly assertUrl: (url: string) => URL
}

interface AllowedRange {
  readonly addresses: BlockList
  /** Null: every port. */
  readonly ports: ReadonlySet<number> | null
}

interface AllowList {
  readonly ranges: readonly AllowedRange[]
  readonly loopback: boolean
  /** The list as the operator wrote it, for messages. */
  readonly text: string
}

const defaultPorts: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

const loopback = toBlockList(['127.0.0.0/8', '::1/128'])

// Never a department system, even when a listed range covers them. 169.254.169.254, 100.100.100.200 and fd00:ec2::254 are
// the metadata services of clouds; Teredo and local NAT64 hide an IPv4 address that cannot be judged.
const forbidden = toBlockList([
  '0.0.0.0/8',
  '169.254.0.0/16',
  '100.100.100.200/32',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
  'fd00:ec2::254/128',
  '2001::/32',
  '64:ff9b:1::/48',
])

// The 16-bit groups before the IPv4 address in each IPv6 form that carries one: IPv4-mapped (RFC 4291 §2.5.5.2),
// IPv4-compatible (§2.5.5.1), translated (RFC 2765 §2.1), NAT64 (RFC 6052 §2.1) and 6to4 (RFC 3056 §2). BlockList knows
// only the first of them.
const carriers: readonly { readonly prefix: readonly number[]; readonly inner: number }[] = [
  { prefix: [0, 0, 0, 0, 0, 0xffff], inner: 6 },
  { prefix: [0, 0, 0, 0, 0, 0], inner: 6 },
  { prefix: [0, 0, 0, 0, 0xffff, 0], inner: 6 },
  { prefix: [0x64, 0xff9b, 0, 0, 0, 0], inner: 6 },
  { prefix: [0x2002], inner: 1 },
]

/**
 * Makes the guard for all outgoing connections (OWASP SSRF by allow list). An entry is an address or a CIDR range with
 * optional ports: `10.20.0.0/16`, `10.20.0.5:443,8443`, `[fd12::]/16:443`; or the word `loopback` (development only). Throws
 * AppError CONFIG_INVALID for an entry of another shape.
 */
export function createEgressGuard(allow: readonly string[], lookup: Lookup = lookupAll): EgressGuard {
  const list = toAllowList(allow)
  const resolve = async (host: string, port: number): Promise<string> => {
    const name = parseHost(host)
    const addresses = isIP(name) === 0 ? await lookup(name) : [name]
    for (const address of addresses) assertAddress(list, address, name, port)
    const [first] = addresses
    if (first === undefined) throw refusal(list, name, port)
    return first
  }
  return {
    resolve,
    assertUrl: (url) => assertUrl(list, url),
    agent: (connectMs, tls = {}) => {
      const connect = buildConnector({ ...tls, timeout: connectMs, allowH2: false })
      return new Agent({ connect: pinnedConnector(list, resolve, connect) })
    },
  }
}

function pinnedConnector(
  list: AllowList,
  resolve: EgressGuard['resolve'],
  connect: buildConnector.connector,
): buildConnector.connector {
  const connectPinned = async (options: buildConnector.Options): Promise<Socket> => {
    const port = Number(options.port) || (defaultPorts[options.protocol] ?? 0)
    const hostname = await resolve(options.hostname, port)
    const socket = await openSocket(connect, { ...options, ...serverName(options), hostname })
    // A socket that broke at once has no address left and sends nothing; undici reports the break itself.
    if (socket.destroyed || isAllowed(list, socket.remoteAddress ?? '', port)) return socket
    socket.destroy()
    throw refusal(list, options.hostname, port)
  }
  return (options, callback) => void answerConnector(connectPinned(options), callback)
}

function openSocket(connect: buildConnector.connector, options: buildConnector.Options): Promise<Socket> {
  return new Promise((resolve, reject) => {
    connect(options, (error, socket) => (error === null ? resolve(socket) : reject(error)))
  })
}

async function answerConnector(connecting: Promise<Socket>, callback: buildConnector.Callback): Promise<void> {
  const [outcome] = await Promise.allSettled([connecting])
  if (outcome.status === 'fulfilled') callback(null, outcome.value)
  else callback(toError(outcome.reason), null)
}

/** The certificate is checked against the name that was asked for, not against the pinned address. */
function serverName(options: buildConnector.Options): { readonly servername?: string } {
  return options.protocol === 'https:' && isIP(options.hostname) === 0 ? { servername: options.hostname } : {}
}

function assertUrl(list: AllowList, text: string): URL {
  const url = parseUrl(text)
  const port = url === null ? undefined : Number(url.port) || defaultPorts[url.protocol]
  if (url === null || port === undefined) throw new AppError('EGRESS_FORBIDDEN', 'wanted an absolute http or https URL')
  if (url.username !== '' || url.password !== '') {
    throw new AppError('EGRESS_FORBIDDEN', `the URL of ${url.hostname} carries user information; give it as a secret`)
  }
  const host = withoutBrackets(url.hostname)
  if (isIP(host) !== 0) assertAddress(list, host, host, port)
  return url
}

function assertAddress(list: AllowList, address: string, host: string, port: number): void {
  if (!isAllowed(list, address, port)) throw refusal(list, host, port)
}

function isAllowed(list: AllowList, text: string, port: number): boolean {
  const address = carriedAddress(withoutZone(text))
  if (address === null || contains(forbidden, address)) return false
  if (contains(loopback, address)) return list.loopback
  return list.ranges.some(({ addresses, ports }) => contains(addresses, address) && (ports === null || ports.has(port)))
}

function refusal(list: AllowList, host: string, port: number): AppError {
  const allowed = list.text === '' ? 'none' : list.text
  return new AppError(
    'EGRESS_FORBIDDEN',
    `given ${host}:${port}, allowed ${allowed}; list the range if it is a partner`,
  )
}

/** The host in the form the URL standard gives it: `2130706433`, `0x7f.1` and full-width digits all become 127.0.0.1. */
function parseHost(host: string): string {
  const url = /[/?#@\\:\s]/.test(host) && !isIPv6(host) ? null : parseUrl(`http://${isIPv6(host) ? `[${host}]` : host}`)
  if (url === null) throw new AppError('EGRESS_FORBIDDEN', 'the host is neither a name nor an address')
  return withoutBrackets(url.hostname)
}

function parseUrl(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null
}

function withoutBrackets(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host
}

/** fe80::1%eth0 → fe80::1 */
function withoutZone(address: string): string {
  return address.split('%', 1)[0] ?? ''
}

/** The address itself, or the IPv4 address inside an IPv6 form; null for what is no address. */
function carriedAddress(address: string): string | null {
  if (!isIPv6(address)) return isIP(address) === 0 ? null : address
  const groups = toGroups(address)
  const carrier = carriers.find(({ prefix }) => prefix.every((group, place) => groups[place] === group))
  const isPlain = carrier === undefined || /^::1?$/.test(normalised(address))
  return isPlain ? address : toIpv4(groups.slice(carrier.inner, carrier.inner + 2))
}

function normalised(address: string): string {
  return withoutBrackets(new URL(`http://[${address}]`).hostname)
}

/** The eight 16-bit groups of an IPv6 address. */
function toGroups(address: string): readonly number[] {
  const [head = '', tail] = normalised(address).split('::')
  const before = toNumbers(head)
  const after = toNumbers(tail ?? '')
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
}

function toNumbers(groups: string): readonly number[] {
  return groups === '' ? [] : groups.split(':').map((group) => Number.parseInt(group, 16))
}

function toIpv4(groups: readonly number[]): string {
  return groups.flatMap((group) => [group >> 8, group & 0xff]).join('.')
}

function contains(addresses: BlockList, address: string): boolean {
  return addresses.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

function toAllowList(allow: readonly string[]): AllowList {
  return {
    ranges: allow.filter((entry) => entry !== 'loopback').map(toRange),
    loopback: allow.includes('loopback'),
    text: allow.join(' '),
  }
}

function toRange(entry: string): AllowedRange {
  const match = /^(?:\[([^\]]+)\]|([\d.]+))(\/\d+)?(?::([\d,]+))?$/.exec(entry)
  const address = match?.[1] ?? match?.[2] ?? ''
  const ports = match?.[4]?.split(',').map(Number) ?? null
  const portsFit = ports === null || ports.every((port) => port > 0 && port < 65_536)
  const prefix = Number(match?.[3]?.slice(1) ?? (isIPv6(address) ? 128 : 32))
  if (isIP(address) === 0 || !portsFit || prefix > (isIPv6(address) ? 128 : 32)) {
    throw new AppError('CONFIG_INVALID', `egress entry ${entry}; wanted 10.20.0.0/16:443, [fd12::]/16:443 or loopback`)
  }
  return { addresses: toBlockList([`${address}/${prefix}`]), ports: ports === null ? null : new Set(ports) }
}

function toBlockList(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', prefix] = range.split('/')
    list.addSubnet(address, Number(prefix), isIPv6(address) ? 'ipv6' : 'ipv4')
  }
  return list
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new AppError('INTERNAL', '', { cause: error })
}

async function lookupAll(host: string): Promise<readonly string[]> {
  const found = await lookupAddresses(host, { all: true })
  return found.map(({ address }) => address)
}
