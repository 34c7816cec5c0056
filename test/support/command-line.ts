import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { inject } from 'vitest'

export const projectRoot = fileURLToPath(new URL('../..', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly output: string
  readonly errors: string
}

type Environment = Readonly<Record<string, string>>

/** The environment of a product process that works on this installation. */
export function environmentOf(installation: { readonly databaseUrl: string }): Environment {
  return {
    DATABASE_URL: installation.databaseUrl,
    GRIDBRIDGE_KEK: inject('keyEncryptionKey'),
    GRIDBRIDGE_EGRESS_ALLOW: 'loopback',
    LOG_LEVEL: 'warn',
    PASSWORD_MEMORY_KIB: '1024',
  }
}

/** Runs the real command line as a process of its own, with nothing in its environment but what is given and PATH. */
export async function runCommand(given: readonly string[], environment: Environment = {}): Promise<Ended> {
  const child = spawn(process.execPath, ['src/cli.ts', ...given], {
    cwd: projectRoot,
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<number | null>((resolve) => {
    child.once('exit', resolve)
  })
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await ended, output, errors }
}
