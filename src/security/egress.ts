import { lookup as lookupAddresses } from 'node:dns/promises'
import type { Socket } from 'node:net'
import { BlockList, isIP, isIPv6 } from 'node:net'
import { Agent, buildConnector, fetch } from 'undici'
import { AppError } from '../errors.ts'
import { carriedAddress, withoutBrackets, withoutZone } from './address-forms.ts'

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
  /**
   * The guard for a feed that came in through the API: it may call these endpoints and nothing else of what this installation may
   * call. Loopback is never an endpoint but where the installation's own list has the word `loopback`.
   */
  readonly limitedTo: (endpoints: readonly EgressEndpoint[]) => EgressGuard
  /** The guard for a feed that an operator registered: what this installation may call, and these endpoints. */
  readonly widenedBy: (endpoints: readonly EgressEndpoint[]) => EgressGuard
}

/** One place that may be called. */
export interface EgressEndpoint {
  /** An address, a CIDR range or a host name. Of a host name every address may be called that is not forbidden altogether. */
  readonly address: string
  readonly firstPort: number
  readonly lastPort: number
}

interface AllowedRange {
  /** A host name, lower case, or the addresses. */
  readonly target: string | BlockList
  readonly hasPort: (port: number) => boolean
}

interface AllowList {
  readonly ranges: readonly AllowedRange[]
  /** Whether loopback may be called: everywhere on it, only where a range names it, or not at all. */
  readonly loopback: 'open' | 'listed' | 'closed'
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

/**
 * Makes the guard for all outgoing connections (OWASP SSRF by allow list). An entry is an address or a CIDR range with
 * optional ports: `10.20.0.0/16`, `10.20.0.5:443,8443`, `[fd12::]/16:443`; or the word `loopback` (development only). Throws
 * AppError CONFIG_INVALID for an entry of another shape.
 */
export function createEgressGuard(allow: readonly string[], lookup: Lookup = lookupAll): EgressGuard {
  return createGuard(toAllowList(allow), lookup)
}

function createGuard(list: AllowList, lookup: Lookup): EgressGuard {
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
    limitedTo: (endpoints) => createGuard(limitList(list, endpoints), lookup),
    widenedBy: (endpoints) => createGuard(widenList(list, endpoints), lookup),
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
    if (socket.destroyed || isAllowed(list, socket.remoteAddress ?? '', parseHost(options.hostname), port))
      return socket
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
  if (!isAllowed(list, address, host, port)) throw refusal(list, host, port)
}

function isAllowed(list: AllowList, text: string, host: string, port: number): boolean {
  const address = carriedAddress(withoutZone(text))
  if (address === null || contains(forbidden, address)) return false
  if (contains(loopback, address) && list.loopback !== 'listed') return list.loopback === 'open'
  return list.ranges.some(
    ({ target, hasPort }) =>
      hasPort(port) && (typeof target === 'string' ? target === host : contains(target, address)),
  )
}

function refusal(list: AllowList, host: string, port: number): AppError {
  const allowed = list.text === '' ? 'none' : list.text
  return new AppError(
    'EGRESS_FORBIDDEN',
    `given ${host}:${port}, allowed ${allowed}; list the range in GRIDBRIDGE_EGRESS_ALLOW if it is a partner`,
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

function contains(addresses: BlockList, address: string): boolean {
  return addresses.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

function toAllowList(allow: readonly string[]): AllowList {
  return {
    ranges: allow.filter((entry) => entry !== 'loopback').map(toRange),
    loopback: allow.includes('loopback') ? 'open' : 'closed',
    text: allow.join(' '),
  }
}

const endpointText = ({ address, firstPort, lastPort }: EgressEndpoint): string =>
  `${address}:${firstPort}${lastPort === firstPort ? '' : `-${lastPort}`}`

function limitList(list: AllowList, endpoints: readonly EgressEndpoint[]): AllowList {
  return {
    ranges: endpoints.map(toEndpointRange),
    loopback: list.loopback === 'closed' ? 'closed' : 'listed',
    text: endpoints.map(endpointText).join(' '),
  }
}

function widenList(list: AllowList, endpoints: readonly EgressEndpoint[]): AllowList {
  const { ranges, text } = limitList(list, endpoints)
  return { ranges: [...list.ranges, ...ranges], loopback: list.loopback, text: `${list.text} ${text}`.trim() }
}

function toEndpointRange({ address, firstPort, lastPort }: EgressEndpoint): AllowedRange {
  const [start = '', prefix] = address.split('/')
  const hasPort = (port: number): boolean => port >= firstPort && port <= lastPort
  if (isIP(start) === 0) return { target: address.toLowerCase(), hasPort }
  return { target: toBlockList([`${start}/${prefix ?? (isIPv6(start) ? 128 : 32)}`]), hasPort }
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
  return { target: toBlockList([`${address}/${prefix}`]), hasPort: (port) => ports === null || ports.includes(port) }
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

/** `fetch` for libraries that bring none of their own: it calls what the guard lets through and follows no redirect. */
export function fetchBehind(
  guard: EgressGuard,
  timeoutMs: number,
): (url: string, options: object) => Promise<globalThis.Response> {
  const dispatcher = guard.agent(timeoutMs)
  return (url, options) => fetch(guard.assertUrl(url), { ...options, redirect: 'manual', dispatcher })
}
