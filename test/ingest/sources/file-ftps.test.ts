import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { rootCertificates } from 'node:tls'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { FileSourceManifest } from '../../../src/feeds/manifest-file.ts'
import type { Source } from '../../../src/ingest/sources/source.ts'
import { createEgressGuard, type EgressGuard } from '../../../src/security/egress.ts'
import { codeOf } from '../../support/coded-error.ts'
import { isVsftpdInstalled, startFtpsServer, type FtpsServer } from '../../support/ftps-server.ts'
import { listen } from '../../support/listen.ts'
import { needService } from '../../support/services.ts'
import { collect, collectReopening } from './collect.ts'
import { openDrop } from './file-drop-folder.ts'
import { csv, makeFolderIn, rows, write } from './remote-drop.ts'
import { testRemoteFaults } from './remote-faults.ts'

type FtpsTransport = Extract<FileSourceManifest['transport'], { readonly kind: 'ftps' }>

type Change = Partial<FileSourceManifest> & { readonly egress?: EgressGuard }

const isMissing = !(await needService('vsftpd', isVsftpdInstalled))
const [strangeAuthority = ''] = rootCertificates
const loopback = createEgressGuard(['loopback'])

describe.skipIf(isMissing)('a drop directory on an FTPS server', () => {
  let server: FtpsServer
  beforeAll(async () => {
    server = await startFtpsServer()
  })
  afterAll(() => server.stop())

  const makeFolder = (): string => makeFolderIn(server.directory)

  const open = (
    folder: string,
    change: Partial<FtpsTransport> = {},
    { egress = loopback, ...source }: Change = {},
  ): Source => {
    const transport: FtpsTransport = {
      kind: 'ftps',
      host: 'localhost',
      port: server.port,
      user: server.user,
      password: 'dropPassword',
      ca: 'authority',
      timeoutMs: 3000,
      ...change,
    }
    const secrets = {
      dropPassword: server.password,
      authority: server.authority,
      word: 'wrong',
      stranger: strangeAuthority,
    }
    const directory = folder.replace(server.directory, '') || '/'
    return openDrop({ directory, transport, maxFileBytes: 1_000_000, ...source }, { egress, secrets })
  }

  test('is read file by file, also when every page is read by a process of its own', async () => {
    const folder = makeFolder()
    write(folder, 'a.csv', csv)
    write(folder, 'b.csv', csv)
    expect((await collectReopening(() => open(folder))).values).toEqual([...rows, ...rows])
  })

  test('is reached by its address too, when the certificate names it', async () => {
    const folder = makeFolder()
    write(folder, 'a.csv', csv)
    expect((await collect(open(folder, { host: '127.0.0.1' }))).values).toEqual(rows)
  })

  testRemoteFaults({ makeFolder, open })

  test('links and folders in place of a file, and files that are too large, are refused', async () => {
    const [link, nested, large] = [makeFolder(), makeFolder(), makeFolder()]
    write(link, 'a.csv', csv)
    symlinkSync(path.join(link, 'a.csv'), path.join(link, '0.csv'))
    symlinkSync(path.join(link, 'a.csv.ok'), path.join(link, '0.csv.ok'))
    mkdirSync(path.join(nested, 'a.csv'))
    writeFileSync(path.join(nested, 'a.csv.ok'), JSON.stringify({ rows: 1, sm3: '0'.repeat(64) }))
    write(large, 'a.csv', csv + ' '.repeat(1_000_000))
    expect(await codeOf(() => collect(open(link)))).toBe('SOURCE_FILE_INVALID')
    expect(await codeOf(() => collect(open(nested)))).toBe('SOURCE_FILE_INVALID')
    expect(await codeOf(() => collect(open(large)))).toBe('SOURCE_LIMIT_EXCEEDED')
  })

  test.each([
    ['a wrong password', { password: 'word' }, 'SOURCE_REFUSED'],
    ['a certificate of an authority nobody named', { ca: 'stranger' }, 'SOURCE_REFUSED'],
    ['a secret that was not given', { password: 'none' }, 'SECRET_MISSING'],
  ] as const)('with %s it is refused', async (_name, change, code) => {
    const folder = makeFolder()
    expect(await codeOf(async () => collect(open(folder, change)))).toBe(code)
  })

  test('a certificate for another name is refused', async () => {
    const named = createEgressGuard(['loopback'], async () => ['127.0.0.1'])
    expect(await codeOf(() => collect(open('', { host: 'files.invalid' }, { egress: named })))).toBe('SOURCE_REFUSED')
  })

  test('neither the server nor the data port is connected to outside of the allow list', async () => {
    const folder = makeFolder()
    write(folder, 'a.csv', csv)
    const both = createEgressGuard([`127.0.0.1:${server.port},${server.dataPort}`, 'loopback'])
    const none = createEgressGuard(['10.0.0.0/8'])
    expect((await collect(open(folder, {}, { egress: both }))).values).toEqual(rows)
    expect(await codeOf(() => collect(open(folder, {}, { egress: none })))).toBe('EGRESS_FORBIDDEN')
    const asked: number[] = []
    const onlyControl = {
      ...loopback,
      resolve: async (host: string, port: number) => {
        asked.push(port)
        return port === server.port ? loopback.resolve(host, port) : none.resolve('127.0.0.1', port)
      },
    }
    expect(await codeOf(() => collect(open(folder, {}, { egress: onlyControl })))).toBe('EGRESS_FORBIDDEN')
    expect(asked).toEqual([server.port, server.dataPort])
  })

  test('a server that is silent or away, and a folder that is not there', async () => {
    const silent = createServer(() => undefined)
    onTestFinished(() => void silent.close())
    const port = await listen(silent)
    expect(await codeOf(() => collect(open('', { port, timeoutMs: 300 })))).toBe('SOURCE_UNAVAILABLE')
    expect(await codeOf(() => collect(open('', { port: 1 })))).toBe('SOURCE_UNAVAILABLE')
    expect(await codeOf(() => collect(open('/none')))).toBe('SOURCE_UNAVAILABLE')
  })
})
