import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../src/config.ts'
import { codeOf } from './support/coded-error.ts'

test('an empty environment is the embedded default on this machine only', () => {
  expect(loadConfig({})).toMatchObject({
    production: false,
    databaseUrl: null,
    redisUrl: null,
    host: '127.0.0.1',
    port: 8080,
    dataDirectory: path.resolve('data'),
    keyEncryptionKeyFile: path.resolve('data/keys/kek'),
    cryptoSuite: 'standard',
    egressAllow: [],
    allowEmbedded: true,
    auditDeadlineMs: 1500,
    tokenSeconds: 600,
  })
})

test('a variable that is set and empty counts as not set', () => {
  const names = [
    'DATABASE_URL',
    'OWNER_DATABASE_URL',
    'SEQUENCER_DATABASE_URL',
    'SIGNER_DATABASE_URL',
    'REDIS_URL',
    'HOST',
    'PORT',
    'PUBLIC_URL',
    'TLS_CERT_FILE',
    'TLS_KEY_FILE',
    'TLS_CLIENT_CA_FILE',
    'GRIDBRIDGE_DATA',
    'GRIDBRIDGE_KEK',
    'GRIDBRIDGE_SUITE',
    'GRIDBRIDGE_EGRESS_ALLOW',
    'LOG_LEVEL',
    'AUDIT_DEADLINE_MS',
    'TOKEN_SECONDS',
    'REJECTION_DAYS',
    'TOMBSTONE_DAYS',
    'PREVIEWS_PER_HOUR',
    'EXPORT_PERSONS',
    'EXPORT_HOURS',
    'EXPORT_K',
  ]
  expect(loadConfig(Object.fromEntries(names.map((name) => [name, ''])))).toEqual(loadConfig({}))
})

test('production refuses the embedded database unless the operator insists', () => {
  expect(loadConfig({ NODE_ENV: 'production' }).allowEmbedded).toBe(false)
  expect(loadConfig({ NODE_ENV: 'production', GRIDBRIDGE_ALLOW_EMBEDDED: '1' }).allowEmbedded).toBe(true)
})

test('the list of allowed addresses is split at spaces and semicolons', () => {
  expect(loadConfig({ GRIDBRIDGE_EGRESS_ALLOW: ' 10.20.0.0/16:443;loopback\n[fd12::]/16 ' }).egressAllow).toEqual([
    '10.20.0.0/16:443',
    'loopback',
    '[fd12::]/16',
  ])
})

test('the public address loses its last slash, so that the token endpoint is spelt in one way', () => {
  expect(loadConfig({ PUBLIC_URL: 'https://bridge.example/' }).publicUrl).toBe('https://bridge.example')
  expect(loadConfig({ PUBLIC_URL: 'https://city.example/bridge' }).publicUrl).toBe('https://city.example/bridge')
  expect(loadConfig({}).publicUrl).toBeNull()
})

test('TLS needs a certificate and its key; an authority for clients is added to both', () => {
  const files = { TLS_CERT_FILE: 'server.crt', TLS_KEY_FILE: 'server.key' }
  expect(loadConfig(files).tls).toEqual({ certificate: 'server.crt', key: 'server.key', clientAuthority: null })
  expect(loadConfig({ ...files, TLS_CLIENT_CA_FILE: 'city.crt' }).tls?.clientAuthority).toBe('city.crt')
  for (const [name, file] of Object.entries({ ...files, TLS_CLIENT_CA_FILE: 'city.crt' }))
    expect(() => loadConfig({ [name]: file })).toThrow(/TLS_CERT_FILE and TLS_KEY_FILE/)
})

describe('a wrong setting is refused by name', () => {
  test.each([
    ['PUBLIC_URL', 'bridge.example'],
    ['PORT', 'http'],
    ['PORT', '-1'],
    ['PORT', '65536'],
    ['PORT', '80.5'],
    ['AUDIT_DEADLINE_MS', '49'],
    ['AUDIT_DEADLINE_MS', '60000'],
    ['TOKEN_SECONDS', '3600'],
    ['PREVIEWS_PER_HOUR', '0'],
    ['EXPORT_PERSONS', '-1'],
    ['EXPORT_HOURS', '0'],
    ['EXPORT_HOURS', '169'],
    ['EXPORT_K', '4'],
    ['GRIDBRIDGE_SUITE', 'aes'],
    ['LOG_LEVEL', 'loud'],
    ['DATABASE_URL', 'mysql://user:hidden-word@host/base'],
    ['DATABASE_URL', 'hidden-word'],
    ['OWNER_DATABASE_URL', 'http://user:hidden-word@host'],
    ['SEQUENCER_DATABASE_URL', 'http://user:hidden-word@host'],
    ['SIGNER_DATABASE_URL', 'http://user:hidden-word@host'],
    ['REDIS_URL', 'http://:hidden-word@host'],
  ])('%s=%s', async (name, value) => {
    expect(await codeOf(() => loadConfig({ [name]: value }))).toBe('CONFIG_INVALID')
    expect(() => loadConfig({ [name]: value })).toThrow(name)
    expect(() => loadConfig({ [name]: value })).not.toThrow('hidden-word')
  })
})

test('what was read cannot be changed afterwards', () => {
  expect(Object.isFrozen(loadConfig({}))).toBe(true)
})
