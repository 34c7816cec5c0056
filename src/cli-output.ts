import Table from 'cli-table3'
import { loadConfig, type Config } from './config.ts'
import { toAppError } from './errors.ts'

/** Exit codes: 0 done, 1 the answer is no, 2 used or set wrongly or cannot decide. */
export const NO = 1
export const WRONG = 2

export interface JsonOption {
  readonly json?: boolean
}

const print = (text: string): void => void process.stdout.write(`${text}\n`)
/** A file on standard output, as it is. */
export const printFile = (bytes: Uint8Array): void => void process.stdout.write(bytes)
/** A line on standard error, beside the result. */
export const remark = (text: string): void => void process.stderr.write(`${text}\n`)
export const config = (): Config => loadConfig(process.env)
export const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value]

/** Prints a result: as one JSON line where it was asked for, else as `plain` words it. */
export function tell(value: object, options: JsonOption, plain: () => string): void {
  print(options.json === true ? JSON.stringify(value) : plain())
}

/** Rows as an aligned table; cli-table3 counts Chinese characters as two columns. */
export function table(head: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const drawn = new Table({ head: [...head], style: { head: [], border: [] } })
  drawn.push(...rows.map((row) => row.map(String)))
  return drawn.toString()
}

/** A command whose coded failure becomes one line on standard error and exit code 2. */
export function guarded<Arguments extends readonly unknown[]>(work: (...given: Arguments) => Promise<void> | void) {
  return async (...given: Arguments): Promise<void> => {
    try {
      await work(...given)
    } catch (error) {
      const coded = toAppError(error)
      const cause = coded.code === 'INTERNAL' && coded.cause instanceof Error ? ` (${coded.cause.name})` : ''
      remark(`${coded.code}: ${coded.message}${cause}`)
      process.exitCode = WRONG
    }
  }
}
