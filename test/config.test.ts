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
    auditDeadlineMs: 2000,
    tokenSeconds: 600,
  })
})

test('a variable that is set and empty counts as not set', () => {
  const names = [
    'DATABASE_URL',
    'OWNER_DATABASE_URL',
    'REDIS_URL',
    'HOST',
    'PORT',
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

describe('a wrong setting is refused by name', () => {
  test.each([
    ['PORT', 'http'],
    ['PORT', '-1'],
    ['PORT', '65536'],
    ['PORT', '80.5'],
    ['AUDIT_DEADLINE_MS', '49'],
    ['AUDIT_DEADLINE_MS', '60000'],
    ['TOKEN_SECONDS', '3600'],
    ['PREVIEWS_PER_HOUR', '0'],
    ['GRIDBRIDGE_SUITE', 'aes'],
    ['LOG_LEVEL', 'loud'],
    ['DATABASE_URL', 'mysql://user:hidden-word@host/base'],
    ['DATABASE_URL', 'hidden-word'],
    ['OWNER_DATABASE_URL', 'http://user:hidden-word@host'],
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
