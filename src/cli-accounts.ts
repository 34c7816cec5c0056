import type { Command } from 'commander'
import { addAccount, endAccount } from './account-commands.ts'
import { config, guarded, table, tell, type JsonOption } from './cli-output.ts'
import { roles } from './security/permissions.ts'

interface AddOptions extends JsonOption {
  readonly role: string
  readonly department?: string
  readonly consumer?: string
}

/** `gridbridge account …` */
export function addAccountCommands(program: Command): void {
  const account = program.command('account').description('管理账号 / Accounts of the management API')
  account
    .command('add')
    .description('建立账号 / Make an account; its secret is shown once')
    .argument('<name>')
    .requiredOption('--role <role>', roles.join(' | '))
    .option('--department <folder>', 'for the roles of a department')
    .option('--consumer <name>', 'for the engineers of a consumer')
    .option('--json')
    .action(
      guarded(async (name: string, options: AddOptions) => {
        const { role, department = null, consumer = null } = options
        const added = await addAccount(config(), name, { role, department, consumer })
        tell(added, options, () =>
          table(
            ['account', 'role', 'department', 'consumer', 'secret'],
            [[added.account, added.role, added.department ?? '', added.consumer ?? '', added.secret]],
          ),
        )
      }),
    )
  account
    .command('disable')
    .description('停用账号 / Let an account in no more')
    .argument('<name>')
    .option('--json')
    .action(
      guarded(async (name: string, options: JsonOption) => {
        const ended = await endAccount(config(), name)
        tell(ended, options, () => `${ended.account} is disabled`)
      }),
    )
}
