/** The first verifier as a process that answers many questions: a line of words in, a line with the verdict out. */
import { createInterface } from 'node:readline'
import { judge } from '../verifier/audit-verify.ts'

for await (const line of createInterface({ input: process.stdin })) {
  const { verdict } = await judge(JSON.parse(line) as readonly string[])
  process.stdout.write(`${JSON.stringify(verdict)}\n`)
}
