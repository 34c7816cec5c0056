/** Ways of writing an address that a parser may take for 127.0.0.1, for the machine itself or for a service beside it. */

const octets = (address: string): readonly number[] => address.split('.').map(Number)
const asNumber = (parts: readonly number[]): number => parts.reduce((sum, part) => sum * 256 + part, 0)
const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')

/** Decimal, octal and hexadecimal, whole and with the last parts joined: what inet_aton and the URL standard read. */
function numericForms(address: string): readonly string[] {
  const [a = 0, b = 0, c = 0, d = 0] = octets(address)
  const whole = asNumber([a, b, c, d])
  const tail = asNumber([b, c, d])
  const octal = (value: number): string => `0${value.toString(8)}`
  const writings = [
    String,
    octal,
    (value: number) => `0x${value.toString(16)}`,
    (value: number) => `0X${hex(value, 8).toUpperCase()}`,
  ]
  return writings.flatMap((write) => [
    write(whole),
    `${write(a)}.${write(tail)}`,
    `${write(a)}.${write(b)}.${write(c * 256 + d)}`,
    [a, b, c, d].map(write).join('.'),
    `${a}.${b}.${c}.${write(d)}`,
    `${write(a)}.${b}.${c}.${d}`,
  ])
}

/** The same address inside each IPv6 form that carries one, in several spellings. */
function carriedForms(address: string): readonly string[] {
  const [a = 0, b = 0, c = 0, d = 0] = octets(address)
  const [high, low] = [hex(a * 256 + b, 4), hex(c * 256 + d, 4)]
  return [
    `[::ffff:${address}]`,
    `[::ffff:${high}:${low}]`,
    `[::FFFF:${high.toUpperCase()}:${low.toUpperCase()}]`,
    `[0:0:0:0:0:ffff:${high}:${low}]`,
    `[0000:0000:0000:0000:0000:ffff:${high}:${low}]`,
    `[::${address}]`,
    `[::${high}:${low}]`,
    `[::ffff:0:${address}]`,
    `[64:ff9b::${address}]`,
    `[64:ff9b::${high}:${low}]`,
    `[64:ff9b:1::${high}:${low}]`,
    `[2002:${high}:${low}::]`,
    `[2002:${high}:${low}::1]`,
    `[2001:0:${high}:${low}::]`,
  ]
}

/** Other characters that name preparation turns into digits and dots. */
function disguisedForms(address: string): readonly string[] {
  const fullWidth = address.replaceAll(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit)))
  const circled = address.replaceAll(/[1-9]/g, (digit) => String.fromCodePoint(0x2460 + Number(digit) - 1))
  return [
    fullWidth,
    circled,
    address.replaceAll('.', '。'),
    address.replaceAll('.', '．'),
    address.replaceAll('.', '｡'),
    address.replaceAll('.', '%2e'),
    fullWidth.replaceAll('.', '。'),
    `${address}.`,
    `%31${address.slice(1)}`.replace('%311', '%31'),
  ]
}

const everyForm = (address: string): readonly string[] => [
  address,
  ...numericForms(address),
  ...carriedForms(address),
  ...disguisedForms(address),
]

const names = [
  'localhost',
  'LOCALHOST',
  'localhost.',
  'ip6-localhost',
  'localhost.localdomain',
  '0',
  '0x0',
  '00',
  '[::]',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  '[::0001]',
  '127.1',
  '127.0.1',
  '127.00.00.01',
  '0.0.0.0',
  '[::0]',
]

const services = [
  '169.254.169.254',
  '100.100.100.200',
  '10.255.0.1',
  '192.168.0.1',
  '172.16.0.1',
  '224.0.0.1',
  '[fd00:ec2::254]',
  '[fe80::1]',
  '[ff02::1]',
  '[fc00::1]',
]

/** More than 300 hosts for a URL, none of which is a registered endpoint. */
export const hostileHosts: readonly string[] = [
  ...new Set([
    ...[
      '127.0.0.1',
      '127.0.0.2',
      '127.255.255.254',
      '0.0.0.0',
      '169.254.169.254',
      '100.100.100.200',
      '10.255.0.1',
      '192.168.0.1',
    ].flatMap(everyForm),
    ...names,
    ...services,
  ]),
]
