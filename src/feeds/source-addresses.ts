import { isObject } from './code-tables.ts'
import type { SourceManifest } from './manifest-types.ts'

/** A place that a feed reads from, as its manifest names it. A folder of this machine has the scheme `file` and port 0. */
export interface SourceAddress {
  /** `https`, `postgresql`, `sftp`, `file` … */
  readonly scheme: string
  /** Host name or address in the form of the URL standard, without brackets; for `file` the folder. */
  readonly host: string
  readonly port: number
}

const defaultPorts: Readonly<Record<string, number>> = { http: 80, https: 443, sftp: 22, ftps: 21, mysql: 3306 }

/** What an absolute URL names. */
export function addressOfUrl(text: string): SourceAddress {
  const url = new URL(text)
  const scheme = url.protocol.slice(0, -1)
  const port = Number(url.port) || (defaultPorts[scheme] ?? 0)
  return { scheme, host: url.hostname.replace(/^\[|\]$/g, ''), port }
}

const isUrl = (value: unknown): value is string =>
  typeof value === 'string' && /^[a-z][a-z0-9+.-]*:\/\//i.test(value) && URL.canParse(value)

/** An XML namespace looks like a URL and is never called. */
const NAMESPACE = 'namespace'

/** The URL standard turns every way of writing an address into one. */
const hostForm = (host: string): string =>
  URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, '') : host

type Members = Readonly<Record<string, unknown>>

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null)

/** What one object of a manifest says by itself: a host and port, or a folder. */
function namedBy(members: Members): readonly SourceAddress[] {
  const scheme = text(members['driver']) ?? text(members['kind']) ?? 'unknown'
  const host = text(members['host'])
  if (host !== null) {
    const port = Number(members['port'] ?? defaultPorts[scheme] ?? 0)
    return [{ scheme, host: hostForm(host.includes(':') ? `[${host}]` : host), port }]
  }
  const { transport } = members
  const isRemote = isObject(transport) && transport['host'] !== undefined
  const folder = text(members['directory'])
  return folder === null || isRemote ? [] : [{ scheme: 'file', host: folder, port: 0 }]
}

/**
 * Every place that a source names, wherever in the manifest: each URL, each `host` with its `port`, each `directory` that is
 * not on such a host. It looks through the whole source, so a new kind of source cannot name a place that nobody registered.
 */
export function sourceAddresses(source: SourceManifest): readonly SourceAddress[] {
  return addressesIn(source)
}

function addressesIn(value: unknown): readonly SourceAddress[] {
  if (isUrl(value)) return [addressOfUrl(value)]
  if (Array.isArray(value)) return value.flatMap(addressesIn)
  if (!isObject(value)) return []
  const inside = Object.entries(value).filter(([name]) => name !== NAMESPACE)
  return [...namedBy(value), ...inside.flatMap(([, member]) => addressesIn(member))]
}
