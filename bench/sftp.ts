import { spawn, spawnSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { memoryLimits } from '../demo/processes.ts'
import type { FileTransport } from '../src/feeds/manifest-file.ts'
import { startSftpServer, type SftpServer } from '../test/support/sftp-server.ts'
import { median, round } from './figures.ts'
import type { LoaderAnswer } from './task.ts'

/** What a loader by SFTP is told. */
export interface SftpTask {
  readonly transport: Extract<FileTransport, { readonly kind: 'sftp' }>
  readonly secrets: Readonly<Record<string, string>>
  readonly directory: string
  readonly name: string
  readonly bytes: number
}

export interface SftpResult {
  /** Million bytes per second from an OpenSSH server on this machine to the private copy, handshake included; the median. */
  readonly rate: number
  /** The same file by OpenSSH's own `sftp`, in the same rounds. */
  readonly floorRate: number
  readonly ratio: number
  readonly peakRssMb: number
}

// A drop file of five million residents has some two gigabytes; an eighth of it shows the rate.
const FILE_BYTES = 256_000_000
const NAME = 'residents.csv'

function writeData(server: SftpServer): void {
  const block = randomFillSync(Buffer.alloc(1_000_000))
  writeFileSync(path.join(server.directory, NAME), Buffer.concat(Array<Buffer>(FILE_BYTES / block.length).fill(block)))
}

/** Seconds that OpenSSH's own client takes for the file. */
function runFloor(server: SftpServer): number {
  const folder = mkdtempSync(path.join(tmpdir(), 'gridbridge-bench-sftp-'))
  try {
    const key = path.join(folder, 'key')
    writeFileSync(key, server.privateKey, { mode: 0o600 })
    const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR']
    const settings = options.flatMap((option) => ['-o', option])
    const remote = `${server.user}@127.0.0.1:${path.join(server.directory, NAME)}`
    const startedAt = performance.now()
    const { status } = spawnSync('sftp', [
      '-q',
      '-F',
      'none',
      '-i',
      key,
      '-P',
      String(server.port),
      ...settings,
      remote,
      path.join(folder, 'copy'),
    ])
    if (status !== 0) throw new Error('sftp failed')
    return (performance.now() - startedAt) / 1000
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function runProduct(server: SftpServer): Promise<LoaderAnswer> {
  const { port, user, hostKey, directory, privateKey } = server
  const auth = { kind: 'key', privateKey: 'key' } as const
  const task: SftpTask = {
    transport: { kind: 'sftp', host: '127.0.0.1', port, user, hostKeys: [hostKey], auth, timeoutMs: 10_000 },
    secrets: { key: privateKey },
    directory,
    name: NAME,
    bytes: FILE_BYTES,
  }
  const script = fileURLToPath(new URL('load-sftp.ts', import.meta.url))
  const child = spawn(process.execPath, [...memoryLimits, script], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(JSON.stringify(task))
  const answer = JSON.parse(await text(child.stdout)) as LoaderAnswer
  if (answer.records !== FILE_BYTES) throw new Error(`${answer.records} of ${FILE_BYTES} bytes came`)
  return answer
}

/** A large file from a real SFTP server, beside OpenSSH's own client. The number of records has no part in it. */
export async function benchSftp(_records: number, rounds: number): Promise<SftpResult> {
  const server = await startSftpServer()
  try {
    writeData(server)
    const measured = []
    for (let turn = 0; turn < rounds; turn++) {
      measured.push({ floor: runFloor(server), product: await runProduct(server) })
    }
    const rateOf = (seconds: readonly number[]): number => Math.round(FILE_BYTES / 1e6 / median(seconds))
    return {
      rate: rateOf(measured.map(({ product }) => product.seconds)),
      floorRate: rateOf(measured.map(({ floor }) => floor)),
      ratio: round(median(measured.map(({ floor, product }) => floor / product.seconds))),
      peakRssMb: Math.max(...measured.map(({ product }) => product.peakRssMb)),
    }
  } finally {
    await server.stop()
  }
}
