import type { Command } from 'commander'
import { config, guarded, remark, table, tell, type JsonOption } from './cli-output.ts'
import type { RotationStep } from './jobs/key-rotation.ts'
import { listKeys, rotateKek, rotateKeys } from './key-commands.ts'

const HEAD = ['id', 'purpose', 'suite', 'kek', 'state', 'days', 'values'] as const

/** Where a rotation stands, on standard error: the result alone goes to standard output. */
function showSteps(): (step: RotationStep) => void {
  let last = ''
  return ({ state, resealed, waitsFor }) => {
    const line = waitsFor === '' ? `${state}: ${resealed} values sealed again` : `${state}: waits for ${waitsFor}`
    if (line !== last) remark(line)
    last = line
  }
}

function addList(keys: Command): void {
  keys
    .command('list')
    .description('列出密钥 / List the data keys: never their bytes')
    .option('--json')
    .action(
      guarded(async (options: JsonOption) => {
        const listed = await listKeys(config())
        const rows = listed.map((key) => [
          key.id,
          key.purpose,
          key.suite,
          key.kek ?? '–',
          key.state,
          key.ageDays,
          key.values ?? '–',
        ])
        tell(listed, options, () => table(HEAD, rows))
      }),
    )
}

function addRotate(keys: Command): void {
  keys
    .command('rotate')
    .description('轮换密钥 / Rotate the sealing key while everything runs; again, to go on with a rotation')
    .option('--kek', 'wrap the data keys under the first key-encryption key that is given', false)
    .option('--json')
    .action(
      guarded(async (options: JsonOption & { readonly kek: boolean }) => {
        if (options.kek) {
          const done = await rotateKek(config())
          tell(done, options, () => `${done.rewrapped} data keys are now wrapped under ${done.kek}`)
          return
        }
        const done = await rotateKeys(config(), { tell: showSteps() })
        const gone = done.retired.length === 0 ? 'none' : done.retired.join(', ')
        tell(
          done,
          options,
          () => `key ${done.key} seals; ${done.resealed} values sealed again here; destroyed: ${gone}`,
        )
      }),
    )
}

/** `gridbridge keys …` */
export function addKeyCommands(program: Command): void {
  const keys = program.command('keys').description('密钥 / Keys')
  addList(keys)
  addRotate(keys)
}
