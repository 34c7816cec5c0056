import { isIP, isIPv6 } from 'node:net'

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

/** [::1] → ::1 */
export function withoutBrackets(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host
}

/** fe80::1%eth0 → fe80::1 */
export function withoutZone(address: string): string {
  return address.split('%', 1)[0] ?? ''
}

/** The address itself, or the IPv4 address inside an IPv6 form; null for what is no address. */
export function carriedAddress(address: string): string | null {
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
