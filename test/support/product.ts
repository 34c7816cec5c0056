import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { environmentOf, projectRoot } from './command-line.ts'

export interface Product {
  readonly url: string
  readonly stop: () => Promise<void>
}

/** `gridbridge start` as an operator starts it: the API and a worker in a process of their own. */
export async function startProduct(installation: { readonly databaseUrl: string }): Promise<Product> {
  const child = spawn(process.execPath, ['src/cli.ts', 'start', '--role', 'api', '--role', 'worker'], {
    cwd: projectRoot,
    env: { PATH: process.env['PATH'], ...environmentOf(installation), PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  for await (const line of createInterface(child.stdout)) {
    const { listening } = JSON.parse(line) as { readonly listening?: string }
    if (listening === undefined) continue
    child.stdout.resume()
    return {
      url: listening,
      stop: async () => {
        child.kill('SIGTERM')
        await ended
      },
    }
  }
  throw new Error(`the product ended with ${child.exitCode}`)
}
