import { BlockList, isIP, isIPv6 } from 'node:net'
import path from 'node:path'

/** A place that a department's feeds may read from, approved by the security administrator. */
export interface Endpoint {
  readonly endpointId: number
  readonly department: string
  /** `https`, `postgresql`, `sftp` … or `file` for a folder of this machine. */
  readonly scheme: string
  /** An address, a CIDR range, a host name, or the folder of `file`. */
  readonly address: string
  readonly firstPort: number
  readonly lastPort: number
}

/** What a manifest says that a feed reads from. */
interface Place {
  readonly scheme: string
  readonly host: string
  readonly port: number
}

/** The last label begins with a letter: `127.1` and `0x7f.1` are ways of writing an address. */
const HOST_NAME = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?$/

/** True for an absolute folder without steps up. `/` itself would be every folder. */
const isFolder = (address: string): boolean =>
  path.posix.isAbsolute(address) && path.posix.normalize(address) === address && address !== '/'

function isRange(address: string): boolean {
  const [start = '', prefix, ...rest] = address.split('/')
  const bits = isIPv6(start) ? 128 : 32
  const fits = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) >= 1 && Number(prefix) <= bits)
  return isIP(start) !== 0 && fits && rest.length === 0
}

/** Whether an address has the form that an endpoint of this scheme needs. A name without a dot is a name of this machine. */
export const isEndpointAddress = (scheme: string, address: string): boolean =>
  scheme === 'file' ? isFolder(address) : isRange(address) || (isIP(address) === 0 && HOST_NAME.test(address))

function containsAddress(range: string, host: string): boolean {
  const [start = '', prefix] = range.split('/')
  if (isIP(start) === 0 || isIP(host) === 0) return range.toLowerCase() === host.toLowerCase()
  const list = new BlockList()
  const family = isIPv6(start) ? 'ipv6' : 'ipv4'
  list.addSubnet(start, Number(prefix ?? (family === 'ipv6' ? 128 : 32)), family)
  return list.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}

const containsFolder = (folder: string, host: string): boolean =>
  `${path.posix.normalize(host)}/`.startsWith(`${folder.replace(/\/$/, '')}/`)

/**
 * Whether the endpoint covers what a manifest names. What a host name resolves to is not looked at here: the egress guard
 * checks every connection.
 */
export function coversPlace(endpoint: Endpoint, { scheme, host, port }: Place): boolean {
  if (endpoint.scheme !== scheme || port < endpoint.firstPort || port > endpoint.lastPort) return false
  return scheme === 'file' ? containsFolder(endpoint.address, host) : containsAddress(endpoint.address, host)
}
