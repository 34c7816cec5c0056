import type { Command } from 'commander'
import { addAccount, disableAccount, type AddedAccount } from './account-commands.ts'
import { config, guarded, table, tell, type JsonOption } from './cli-output.ts'
import { roles } from './security/permissions.ts'

interface AddOptions extends JsonOption {
  readonly role: string
  readonly person: string
  readonly department?: string
  readonly consumer?: string
}

/** What the operator does with what was shown. */
function tellAdded({ account, role, enrolmentCode, requestId, firstHalf }: AddedAccount): string {
  if (enrolmentCode !== null) return table(['account', 'role', 'enrolment code'], [[account, role, enrolmentCode]])
  const waiting = table(
    ['account', 'role', 'request', 'first half of the code'],
    [[account, role, requestId, firstHalf]],
  )
  return `${waiting}\nAn administrator has to agree: POST /api/v1/account-requests/${requestId}/decision`
}

/** `gridbridge account …` */
export function addAccountCommands(program: Command): void {
  const account = program.command('account').description('管理账号 / Accounts of the management API')
  account
    .command('add')
    .description('建立首任管理员，或申请账号 / Make the first holder of an administration, or ask for an account')
    .argument('<name>')
    .requiredOption('--role <role>', roles.join(' | '))
    .requiredOption('--person <staff number>', 'whose account it is; only a keyed token is kept')
    .option('--department <folder>', 'for the roles of a department')
    .option('--consumer <name>', 'for the engineers of a consumer')
    .option('--json')
    .action(
      guarded(async (name: string, options: AddOptions) => {
        const { role, person: staffNumber, department = null, consumer = null } = options
        const added = await addAccount(config(), name, { role, staffNumber, department, consumer })
        tell(added, options, () => tellAdded(added))
      }),
    )
  account
    .command('disable')
    .description('停用账号 / Let an account in no more')
    .argument('<name>')
    .option('--json')
    .action(
      guarded(async (name: string, options: JsonOption) => {
        const ended = await disableAccount(config(), name)
        tell(ended, options, () => `${ended.account} is disabled`)
      }),
    )
}
