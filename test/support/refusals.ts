import { AppError } from '../../src/errors.ts'
import { environmentOf, runCommand } from './command-line.ts'
import type { TestInstallation } from './installation.ts'

/** Everything that a command could have changed, as text. */
async function readState({ asOwner }: TestInstallation): Promise<string> {
  const state = await asOwner(
    `select (select json_agg(feed order by feed_id) from gridbridge.feed) as feeds, (select json_agg(consumer order by consumer_id) from gridbridge.consumer) as consumers,
            (select json_agg(agreement order by agreement_id) from gridbridge.agreement) as agreements, (select count(*) from gridbridge.run) as runs,
            (select count(*) from gridbridge.data_key) as keys, (select count(*) from audit.entry) as entries`,
  )
  return JSON.stringify(state)
}

/** How something was refused, and whether it had changed anything by then. */
export interface Refusal {
  readonly code: string
  readonly telling: string
  readonly changed: boolean
}

export interface CommandRefusal extends Refusal {
  readonly exit: number | null
  readonly output: string
}

/** The refusal by a command of the real command line. */
export async function refusalByCommand(
  installation: TestInstallation,
  given: readonly string[],
): Promise<CommandRefusal> {
  const before = await readState(installation)
  const { code, output, errors } = await runCommand(given, environmentOf(installation))
  const changed = (await readState(installation)) !== before
  return { exit: code, code: errors.split(':', 1)[0] ?? '', telling: errors, changed, output }
}

/** The refusal by a function behind a command. */
export async function refusalBy(installation: TestInstallation, work: () => Promise<unknown>): Promise<Refusal> {
  const before = await readState(installation)
  const failure = await work().catch((error: unknown) => error)
  const changed = (await readState(installation)) !== before
  const code = failure instanceof AppError ? failure.code : 'none'
  return { code, telling: failure instanceof Error ? failure.message : '', changed }
}
