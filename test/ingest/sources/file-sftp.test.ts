import { hash } from 'node:crypto'
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { FileSourceManifest } from '../../../src/feeds/manifest-file.ts'
import type { Source } from '../../../src/ingest/sources/source.ts'
import { createEgressGuard, type EgressGuard } from '../../../src/security/egress.ts'
import { startBreakingSftpServer } from '../../support/breaking-sftp-server.ts'
import { codeOf } from '../../support/coded-error.ts'
import { listen } from '../../support/listen.ts'
import { needService } from '../../support/services.ts'
import { isSshdInstalled, startSftpServer, type SftpServer } from '../../support/sftp-server.ts'
import { collect, collectReopening } from './collect.ts'
import { openDrop } from './file-drop-folder.ts'
import { csv, makeFolderIn, rows, write } from './remote-drop.ts'
import { testRemoteFaults } from './remote-faults.ts'

type SftpTransport = Extract<FileSourceManifest['transport'], { readonly kind: 'sftp' }>

type Change = Partial<FileSourceManifest> & { readonly guard?: EgressGuard }

const isMissing = !(await needService('sshd', isSshdInstalled))
const egress = createEgressGuard(['loopback'])

describe.skipIf(isMissing)('a drop directory on an SFTP server', () => {
  let server: SftpServer
  beforeAll(async () => {
    server = await startSftpServer()
  })
  afterAll(() => server.stop())

  const makeFolder = (): string => makeFolderIn(server.directory)

  const open = (
    folder: string,
    change: Partial<SftpTransport> = {},
    { guard = egress, ...source }: Change = {},
  ): Source => {
    const transport: SftpTransport = {
      kind: 'sftp',
      host: '127.0.0.1',
      port: server.port,
      user: server.user,
      hostKeys: [server.hostKey],
      auth: { kind: 'key', privateKey: 'dropKey' },
      timeoutMs: 3000,
      ...change,
    }
    const all = { dropKey: server.privateKey, strangeKey: server.strangeKey, word: 'wrong' }
    return openDrop(
      { directory: folder, transport, maxFileBytes: 1_000_000, ...source },
      { egress: guard, secrets: all },
    )
  }

  test('is read file by file, also when every page is read by a process of its own', async () => {
    const folder = makeFolder()
    write(folder, 'a.csv', csv)
    write(folder, 'b.csv', csv)
    expect((await collectReopening(() => open(folder))).values).toEqual([...rows, ...rows])
  })

  testRemoteFaults({ makeFolder, open })

  test('leaves no copy under a name, not even while it is read', async () => {
    const folder = makeFolder()
    write(folder, 'a.csv', csv)
    const source = open(folder)
    await source.readPage(null, new Date())
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('gridbridge-copy-'))).toEqual([])
  })

  test('a damaged file is refused before its first row', async () => {
    const folder = makeFolder()
    write(folder, 'a.csv', csv)
    writeFileSync(path.join(folder, 'a.csv'), csv.replace('样', '张'))
    await expect(collect(open(folder))).rejects.toMatchObject({ code: 'SOURCE_FILE_INVALID' })
  })

  test('links and folders in place of a file, and files that are too large, are refused', async () => {
    const [link, nested, large] = [makeFolder(), makeFolder(), makeFolder()]
    write(link, 'a.csv', csv)
    symlinkSync(path.join(link, 'a.csv'), path.join(link, '0.csv'))
    symlinkSync(path.join(link, 'a.csv.ok'), path.join(link, '0.csv.ok'))
    mkdirSync(path.join(nested, 'a.csv'))
    writeFileSync(path.join(nested, 'a.csv.ok'), '{}')
    write(large, 'a.csv', csv + ' '.repeat(1_000_000))
    expect(await codeOf(() => collect(open(link)))).toBe('SOURCE_FILE_INVALID')
    expect(await codeOf(() => collect(open(nested)))).toBe('SOURCE_FILE_INVALID')
    expect(await codeOf(() => collect(open(large)))).toBe('SOURCE_LIMIT_EXCEEDED')
  })

  test.each([
    ['another host key', { hostKeys: [`SHA256:${'A'.repeat(43)}`] }, 'SOURCE_REFUSED'],
    ['a key it does not know', { auth: { kind: 'key', privateKey: 'strangeKey' } }, 'SOURCE_REFUSED'],
    ['a password where it wants a key', { auth: { kind: 'password', password: 'word' } }, 'SOURCE_REFUSED'],
    ['a private key that is none', { auth: { kind: 'key', privateKey: 'word' } }, 'SECRET_MISSING'],
    ['a secret that was not given', { auth: { kind: 'key', privateKey: 'none' } }, 'SECRET_MISSING'],
  ] as const)('with %s it is refused', async (_name, change, code) => {
    const folder = makeFolder()
    expect(await codeOf(async () => collect(open(folder, change)))).toBe(code)
  })

  test('an address outside of the allow list is not connected to', async () => {
    let connections = 0
    const trap = createServer(() => connections++)
    onTestFinished(() => void trap.close())
    const port = await listen(trap)
    const work = () => collect(open('/', { port }, { guard: createEgressGuard(['10.0.0.0/8']) }))
    expect(await codeOf(work)).toBe('EGRESS_FORBIDDEN')
    expect(connections).toBe(0)
  })

  test('a server that is silent, away, or that has no such directory is worth trying again', async () => {
    const silent = createServer(() => undefined)
    onTestFinished(() => void silent.close())
    const port = await listen(silent)
    expect(await codeOf(() => collect(open('/', { port, timeoutMs: 300 })))).toBe('SOURCE_UNAVAILABLE')
    expect(await codeOf(() => collect(open('/', { port: 1 })))).toBe('SOURCE_UNAVAILABLE')
    expect(await codeOf(() => collect(open(path.join(server.directory, 'none'))))).toBe('SOURCE_UNAVAILABLE')
  })
})

test.each([
  ['behind its last byte', 'end'],
  ['at its close', 'close'],
] as const)('a server that breaks the connection of a file %s does not end the process', async (_name, point) => {
  const marker = JSON.stringify({ rows: rows.length, sm3: hash('sm3', csv) })
  const files = { 'a.csv': Buffer.from(csv), 'a.csv.ok': Buffer.from(marker) }
  const breaking = await startBreakingSftpServer(files, 'a.csv', point)
  onTestFinished(breaking.close)
  const uncaught: unknown[] = []
  const note = (error: unknown): void => void uncaught.push(error)
  process.on('uncaughtExceptionMonitor', note)
  onTestFinished(() => void process.off('uncaughtExceptionMonitor', note))
  const transport: SftpTransport = {
    kind: 'sftp',
    host: '127.0.0.1',
    port: breaking.port,
    user: 'drop',
    hostKeys: [breaking.hostKey],
    auth: { kind: 'password', password: 'word' },
    timeoutMs: 3000,
  }
  const source = openDrop({ directory: '/drop', transport }, { egress, secrets: { word: 'wanted by nobody' } })
  expect(await codeOf(() => source.readPage(null, new Date()))).toBe('SOURCE_UNAVAILABLE')
  await breaking.broken
  await wait(50)
  expect(uncaught).toEqual([])
})
