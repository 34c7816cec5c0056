import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { freePort } from './embedded-database.ts'
import { untilListening } from './sftp-server.ts'

export interface FtpsServer {
  readonly port: number
  /** The only port that it opens for data. */
  readonly dataPort: number
  readonly user: string
  readonly password: string
  /** The certificate of the authority that signed the server's own, which is for localhost and 127.0.0.1. */
  readonly authority: string
  /** The folder that is the server's root. */
  readonly directory: string
  readonly stop: () => Promise<void>
}

const VSFTPD = '/usr/sbin/vsftpd'
const PASSWORD = 'drop-password'

export const isVsftpdInstalled = (): boolean => spawnSync(VSFTPD, ['-v']).error === undefined

/** Starts a vsftpd that wants explicit TLS on both connections, with settings and a certificate of its own, on free ports. */
export async function startFtpsServer(): Promise<FtpsServer> {
  const home = mkdtempSync(path.join(tmpdir(), 'gridbridge-vsftpd-'))
  const at = (name: string): string => path.join(home, name)
  const [port, dataPort] = [await freePort(), await freePort()]
  for (const name of ['drop', 'empty']) mkdirSync(at(name))
  for (const name of ['', 'drop', 'empty']) chmodSync(at(name), 0o755)
  makeCertificate(at)
  writeFileSync(at('passwords'), `${PASSWORD}\n`)
  writeFileSync(at('config'), settings(port, dataPort, at), { mode: 0o600 })
  const server = spawn(VSFTPD, [at('config')], { stdio: 'ignore' })
  const ended = new Promise((resolve) => {
    server.once('exit', resolve)
  })
  await untilListening(port)
  return {
    port,
    dataPort,
    user: 'anonymous',
    password: PASSWORD,
    authority: readFileSync(at('authority'), 'utf8'),
    directory: at('drop'),
    stop: async () => {
      server.kill('SIGTERM')
      await ended
      rmSync(home, { recursive: true, force: true })
    },
  }
}

function makeCertificate(at: (name: string) => string): void {
  const authority = ['-subj', '/CN=GridBridge test authority', '-addext', 'keyUsage=keyCertSign']
  request(authority, ['-keyout', at('authority-key'), '-out', at('authority')])
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const signer = [
    '-addext',
    'basicConstraints=critical,CA:FALSE',
    '-CA',
    at('authority'),
    '-CAkey',
    at('authority-key'),
  ]
  request([...names, ...signer], ['-keyout', at('key'), '-out', at('certificate')])
}

function request(about: readonly string[], files: readonly string[]): void {
  const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...about, ...files])
  if (made.status !== 0) throw new Error('openssl could not make a certificate')
}

function settings(port: number, dataPort: number, at: (name: string) => string): string {
  const values: Readonly<Record<string, string | number>> = {
    listen: 'YES',
    listen_address: '127.0.0.1',
    listen_port: port,
    pasv_min_port: dataPort,
    pasv_max_port: dataPort,
    background: 'NO',
    // The one account whose password is in a file of ours; accounts of the system would want theirs.
    anonymous_enable: 'YES',
    secure_email_list_enable: 'YES',
    email_password_file: at('passwords'),
    anon_root: at('drop'),
    anon_world_readable_only: 'NO',
    // The account that the package makes; its home must be there, though nothing is served from it.
    ftp_username: 'ftp',
    nopriv_user: 'nobody',
    secure_chroot_dir: at('empty'),
    run_as_launching_user: process.getuid?.() === 0 ? 'NO' : 'YES',
    ssl_enable: 'YES',
    allow_anon_ssl: 'YES',
    force_anon_logins_ssl: 'YES',
    force_anon_data_ssl: 'YES',
    // It is the default, and what clients stumble over: a data connection goes on in the TLS session of the first.
    require_ssl_reuse: 'YES',
    rsa_cert_file: at('certificate'),
    rsa_private_key_file: at('key'),
    seccomp_sandbox: 'NO',
    xferlog_enable: 'NO',
  }
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}
