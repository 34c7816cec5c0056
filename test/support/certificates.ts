import { execFileSync } from 'node:child_process'
import { hash, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A certificate and its key in PEM, and what it is known by. */
export interface Certified {
  readonly cert: Buffer
  readonly key: Buffer
  readonly thumbprint: string
}

export interface CertificateFolder {
  /** A certificate that stands for itself. */
  readonly makeOwn: (name: string) => Certified
  /** A certificate that the one of `signer` stands for, for so many days from now; below nothing, it has run out. */
  readonly makeSigned: (name: string, signer: string, days?: number) => Certified
  readonly remove: () => void
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'] as const

/** Certificates that the openssl program makes, in a folder of their own. */
export function openCertificateFolder(): CertificateFolder {
  const folder = mkdtempSync(join(tmpdir(), 'gridbridge-certificates-'))
  const at = (file: string): string => join(folder, file)
  const openssl = (...words: readonly string[]): unknown =>
    execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' })
  const read = (name: string): Certified => {
    const [cert, key] = [readFileSync(at(`${name}.crt`)), readFileSync(at(`${name}.key`))]
    return { cert, key, thumbprint: hash('sha256', new X509Certificate(cert).raw, 'buffer').toString('base64url') }
  }
  const filesOf = (name: string) => ['-keyout', `${name}.key`, '-subj', `/CN=${name}`] as const
  return {
    makeOwn: (name) => {
      openssl('req', '-x509', ...KEY, ...filesOf(name), '-out', `${name}.crt`, '-days', '2')
      return read(name)
    },
    makeSigned: (name, signer, days = 2) => {
      openssl('req', '-new', ...KEY, ...filesOf(name), '-out', `${name}.csr`)
      writeFileSync(at('names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
      const by = ['-CA', `${signer}.crt`, '-CAkey', `${signer}.key`, '-CAcreateserial', '-extfile', 'names']
      openssl('x509', '-req', '-in', `${name}.csr`, ...by, '-out', `${name}.crt`, '-days', String(days))
      return read(name)
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
