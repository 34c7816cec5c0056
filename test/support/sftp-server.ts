import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort } from './embedded-database.ts'

export interface SftpServer {
  readonly port: number
  readonly user: string
  /** Private key that the server lets in, and another that it does not know. */
  readonly privateKey: string
  readonly strangeKey: string
  /** Fingerprint of the server's key as `ssh-keygen -lf` prints it. */
  readonly hostKey: string
  /** A directory that the server serves, by its path there. */
  readonly directory: string
  readonly stop: () => Promise<void>
}

const SSHD = '/usr/sbin/sshd'

export const isSshdInstalled = (): boolean => spawnSync(SSHD, ['-V']).error === undefined

/** Starts OpenSSH's server for SFTP only, with keys and settings of its own, on a free port. */
export async function startSftpServer(): Promise<SftpServer> {
  const home = mkdtempSync(path.join(tmpdir(), 'gridbridge-sshd-'))
  const at = (name: string): string => path.join(home, name)
  const port = await freePort()
  for (const name of ['host', 'user', 'stranger']) makeKey(at(name))
  writeFileSync(at('config'), settings(port, at))
  mkdirSync(at('drop'))
  const account = serverAccount()
  for (const name of ['', 'host', 'drop']) chownSync(at(name), account.uid, account.gid)
  chmodSync(home, 0o755)
  const { uid, gid } = account
  const server = spawn(SSHD, ['-D', '-e', '-f', at('config')], { stdio: 'ignore', uid, gid })
  const ended = new Promise((resolve) => {
    server.once('exit', resolve)
  })
  await untilListening(port)
  return {
    port,
    user: account.name,
    privateKey: readFileSync(at('user'), 'utf8'),
    strangeKey: readFileSync(at('stranger'), 'utf8'),
    hostKey: fingerprint(at('host.pub')),
    directory: at('drop'),
    stop: async () => {
      server.kill('SIGTERM')
      await ended
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** Root's server would need a directory of the system's; any other account serves itself without one. */
function serverAccount(): { readonly name: string; readonly uid: number; readonly gid: number } {
  const { username: name, uid, gid } = userInfo()
  return uid === 0 ? { name: 'nobody', uid: 65_534, gid: 65_534 } : { name, uid, gid }
}

function makeKey(file: string): void {
  const { status } = spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', file])
  if (status !== 0) throw new Error('ssh-keygen could not make a key')
}

function settings(port: number, at: (name: string) => string): string {
  return [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${at('host')}`,
    `AuthorizedKeysFile ${at('user.pub')}`,
    `PidFile ${at('pid')}`,
    'AuthenticationMethods publickey',
    // Without it an account is taken for locked whose password the server may not read.
    'UsePAM yes',
    // The folder of the keys lies below one that everybody may write to.
    'StrictModes no',
    'Subsystem sftp internal-sftp',
    'ForceCommand internal-sftp',
    '',
  ].join('\n')
}

function fingerprint(file: string): string {
  const [, hash = ''] = spawnSync('ssh-keygen', ['-lf', file], { encoding: 'utf8' }).stdout.split(' ')
  return hash
}

/** Waits until something listens on a port of this machine. */
export async function untilListening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await answers(port)) return
    await wait(25)
  }
  throw new Error(`nothing listens on ${port}`)
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
