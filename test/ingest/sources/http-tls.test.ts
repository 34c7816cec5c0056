import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterAll, describe, expect, test } from 'vitest'
import type { HttpSourceManifest } from '../../../src/feeds/manifest-types.ts'
import { openHttpSource } from '../../../src/ingest/sources/http.ts'
import type { Secrets, Source } from '../../../src/ingest/sources/source.ts'
import { createEgressGuard } from '../../../src/security/egress.ts'
import { listen } from '../../support/listen.ts'
import { needService } from '../../support/services.ts'
import { collect } from './collect.ts'
import { people, sendJson } from './emulated-source.ts'

const folder = mkdtempSync(join(tmpdir(), 'gridbridge-certificates-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function openssl(...words: readonly string[]): void {
  execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' })
}

const read = (file: string): string => readFileSync(join(folder, file), 'utf8')

/** An authority of its own, and what it or another signs for `name`; P-256 keys are made at once. */
function makeAuthority(name: string): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`]
  openssl('req', '-x509', ...key, '-out', `${name}.crt`, '-days', '2', '-subj', `/CN=${name}`)
}

function sign(name: string, authority: string): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`]
  openssl('req', '-new', ...key, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
  writeFileSync(join(folder, 'names'), 'subjectAltName=IP:127.0.0.1\n')
  const by = ['-CA', `${authority}.crt`, '-CAkey', `${authority}.key`, '-CAcreateserial']
  openssl('x509', '-req', '-in', `${name}.csr`, ...by, '-out', `${name}.crt`, '-days', '2', '-extfile', 'names')
}

const hasOpenssl = await needService('openssl', () => spawnSync('openssl', ['version']).status === 0)
if (hasOpenssl) {
  for (const authority of ['city', 'stranger']) makeAuthority(authority)
  sign('server', 'city')
  sign('client', 'city')
  sign('intruder', 'stranger')
}
const identity = hasOpenssl ? { cert: read('server.crt'), key: read('server.key'), ca: read('city.crt') } : {}
const server = createServer({ ...identity, requestCert: true, rejectUnauthorized: true }, (request, response) => {
  const { CN: name } = (request.socket as TLSSocket).getPeerCertificate().subject
  sendJson(response, { rows: [...people(2), { id: name }] })
})
const baseUrl = `https://127.0.0.1:${await listen(server)}`
afterAll(() => server.close().closeAllConnections())

function open(tls: HttpSourceManifest['tls'], secrets: Secrets): Source {
  return openHttpSource({
    manifest: {
      kind: 'http',
      baseUrl,
      auth: { kind: 'none' },
      ...(tls === undefined ? {} : { tls }),
      request: { method: 'GET', path: '/people', query: {} },
      records: '/rows',
      paging: { kind: 'link', size: 10 },
      timeouts: { connectMs: 1000, totalMs: 1000 },
    },
    secrets,
    egress: createEgressGuard(['loopback']),
    limits: { pageBytes: 10_000, pages: 5 },
    recordId: '/id',
  })
}

const mutual = { certificate: 'cert', key: 'key', authority: 'ca' } as const
const given = (name: string, authority = 'city'): Secrets => ({
  cert: read(`${name}.crt`),
  key: read(`${name}.key`),
  ca: read(`${authority}.crt`),
})

describe.skipIf(!hasOpenssl)('mTLS', () => {
  test('a client certificate of the authority opens the door, and the source knows whose it is', async () => {
    expect((await collect(open(mutual, given('client')))).values.at(-1)).toEqual({ id: 'client' })
  })

  test.each([
    ['no certificate', { authority: 'ca' }, 'client', 'city'],
    ['a certificate of another authority', mutual, 'intruder', 'city'],
    ['a server of another authority', mutual, 'client', 'stranger'],
    ['no authority for a server that has its own', { certificate: 'cert', key: 'key' }, 'client', 'city'],
    ['nothing at all', undefined, 'client', 'city'],
  ])('%s ends in a coded error', async (_name, tls, client, authority) => {
    await expect(collect(open(tls, given(client, authority)))).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
  })

  test.each([
    ['a text that is no PEM', (): Secrets => ({ ...given('client'), cert: 'not a certificate' })],
    ["another's key", (): Secrets => ({ ...given('client'), key: read('intruder.key') })],
  ])('%s is refused at once without being quoted', (_name, secrets) => {
    const opening = (): Source => open(mutual, secrets())
    expect(opening).toThrow(expect.objectContaining({ code: 'MANIFEST_INVALID' }))
    expect(opening).not.toThrow(/BEGIN|not a certificate/)
  })
})
