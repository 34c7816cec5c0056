import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { SqlTls } from '../../../src/feeds/manifest-types.ts'
import { isMariadbInstalled } from '../../support/mariadb-server.ts'
import { needService } from '../../support/services.ts'
import { collect } from './collect.ts'
import { startEmulatedMariadb } from './emulated-mariadb.ts'
import { startEmulatedDatabase } from './emulated-table.ts'

const NAME = 'db.department.example'

const folder = mkdtempSync(join(tmpdir(), 'gridbridge-sql-tls-'))
chmodSync(folder, 0o711)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const at = (file: string): string => join(folder, file)
const read = (file: string): string => readFileSync(at(file), 'utf8')

function openssl(...words: readonly string[]): void {
  execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' })
}

/** The city's authority, a certificate of it for the database, and an authority that signed nothing. */
function makeCertificates(): void {
  const keyOf = (name: string) => [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    `${name}.key`,
  ]
  for (const name of ['city', 'stranger'])
    openssl('req', '-x509', ...keyOf(name), '-out', `${name}.crt`, '-days', '2', '-subj', `/CN=${name}`)
  openssl('req', '-new', ...keyOf('server'), '-out', 'server.csr', '-subj', `/CN=${NAME}`)
  writeFileSync(at('names'), `subjectAltName=DNS:${NAME}\n`)
  openssl(
    'x509',
    '-req',
    '-in',
    'server.csr',
    '-CA',
    'city.crt',
    '-CAkey',
    'city.key',
    '-CAcreateserial',
    '-out',
    'server.crt',
    '-days',
    '2',
    '-extfile',
    'names',
  )
}

type Opened = Awaited<ReturnType<typeof startEmulatedMariadb>>

async function startTlsMariadb() {
  const server = await startEmulatedMariadb([`--ssl-cert=${at('server.crt')}`, `--ssl-key=${at('server.key')}`])
  return { ...server, write: async (text: string) => void (await server.writer.query(text)) }
}

async function startTlsPostgres() {
  const server = await startEmulatedDatabase()
  const write = async (text: string): Promise<void> => void (await server.writer.query(text))
  const { rows } = await server.writer.query<{ data_directory: string }>('show data_directory')
  // PostgreSQL takes a key only from its own user.
  const { uid, gid } = statSync(rows[0]?.data_directory ?? '')
  for (const file of ['server.crt', 'server.key']) chownSync(at(file), uid, gid)
  await write(`alter system set ssl_cert_file = '${at('server.crt')}'`)
  await write(`alter system set ssl_key_file = '${at('server.key')}'`)
  await write('alter system set ssl = on')
  await write('select pg_reload_conf()')
  return { ...server, write }
}

const hasOpenssl = await needService('openssl', () => spawnSync('openssl', ['version']).status === 0)
const hasMariadb = await needService('mariadbd (packages mariadb-server-core, mariadb-client-core)', isMariadbInstalled)
const makes = [
  { make: 'PostgreSQL', start: startTlsPostgres },
  ...(hasMariadb ? [{ make: 'MariaDB', start: startTlsMariadb }] : []),
]
if (hasOpenssl) makeCertificates()

describe.skipIf(!hasOpenssl).each(makes)('$make', async ({ start }) => {
  if (!hasOpenssl) return
  const { write, manifestOf, open, close } = await start()
  afterAll(close)

  const openWith = (tls: SqlTls, ca: string): ReturnType<Opened['open']> =>
    open(manifestOf('people', { tls }), { secrets: { word: 'reader-word', ca: read(ca) } })

  test('is read over TLS where its certificate has the right name and authority', async () => {
    await write(`create table people (id int primary key, at timestamp)`)
    await write(`insert into people values (1, '2026-02-01')`)
    const source = await openWith({ kind: 'verify', ca: 'ca', serverName: NAME }, 'city.crt')
    expect((await collect(source)).values).toHaveLength(1)
  })

  test.each<[string, SqlTls, string]>([
    ['another name', { kind: 'verify', ca: 'ca', serverName: 'other.example' }, 'city.crt'],
    ['another authority', { kind: 'verify', ca: 'ca', serverName: NAME }, 'stranger.crt'],
    ['no authority that Node knows', { kind: 'verify', serverName: NAME }, 'city.crt'],
  ])('is not spoken with under %s', async (_name, tls, ca) => {
    await expect(openWith(tls, ca)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
  })
})
