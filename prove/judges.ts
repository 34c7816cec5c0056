import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** What a verifier says, by the words of its command line. */
export interface Verdict {
  readonly state: 'whole' | 'tampered' | 'undecided'
  readonly index?: number
  readonly upTo?: number
  readonly fault?: string
  readonly file?: string
}

/** A verifier in a process of its own that has nothing of the product: it is told folders and keys, and answers. */
export interface Judge {
  readonly judge: (given: readonly string[]) => Promise<Verdict>
  readonly close: () => Promise<void>
}

const folder = new URL('../verifier/', import.meta.url)

/** A line of words in, a line with the verdict out: starting a process for each of ten thousand questions would take most of the time. */
const drivers = {
  node: [process.execPath, fileURLToPath(new URL('judge-process.ts', import.meta.url))],
  python: [
    'python3',
    '-c',
    `import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, ${JSON.stringify(fileURLToPath(folder))})
import audit_verify
for line in sys.stdin:
    print(json.dumps(audit_verify.judge(json.loads(line))), flush=True)`,
  ],
} as const

/** Starts a verifier, which answers one question after the other. */
export function openJudge(kind: keyof typeof drivers): Judge {
  const [command, ...given] = drivers[kind]
  const child = spawn(command, given, { env: { PATH: process.env['PATH'] }, stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    judge: async (words) => {
      child.stdin.write(`${JSON.stringify(words)}\n`)
      const { value, done } = await answers.next()
      if (done === true) throw new Error(`the verifier in ${kind} ended`)
      return JSON.parse(value) as Verdict
    },
    close: async () => {
      child.stdin.end()
      await ended
    },
  }
}
