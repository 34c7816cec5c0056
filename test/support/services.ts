/**
 * Whether a service that a test cannot do without is there. In CI a missing one fails the tests; elsewhere they are skipped
 * and one line tells why. Use it as `describe.skipIf(!(await needService(…)))`.
 */
export async function needService(name: string, probe: () => boolean | Promise<boolean>): Promise<boolean> {
  if (await probe()) return true
  if (process.env['CI'] === 'true') throw new Error(`${name} is missing; the continuous integration must have it`)
  process.stderr.write(`skipped: ${name} is not installed on this machine\n`)
  return false
}
