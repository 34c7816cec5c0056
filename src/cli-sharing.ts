import { InvalidArgumentError, type Command } from 'commander'
import { addCredentialCommands } from './cli-credentials.ts'
import { config, guarded, table, tell, type JsonOption } from './cli-output.ts'
import { addConsumer } from './commands.ts'
import { publishItem } from './item-commands.ts'

function wholeDays(value: string): number {
  const days = Number(value)
  if (Number.isInteger(days) && days >= 1 && days <= 1096) return days
  throw new InvalidArgumentError('give whole days from 1 to 1096')
}

function addConsumerCommands(program: Command): void {
  const consumer = program.command('consumer').description('使用方 / Consumers')
  addCredentialCommands(consumer)
  consumer
    .command('add')
    .description('登记使用方与共享协议 / Register a consumer and its agreements; the secrets are shown once')
    .argument('<name>')
    .requiredOption('--datasets <names>', 'comma-separated', (value: string) => value.split(','))
    .requiredOption('--purpose <item>', 'item of the published service list that the data is for')
    .option('--profile <profile>', 'mask profile', 'P1_OPERATOR')
    .option('--webhook <url>', 'push changes here')
    .option('--days <n>', 'term of the agreements', wholeDays, 365)
    .option('--json')
    .action(
      guarded(
        async (
          name: string,
          options: JsonOption & {
            datasets: string[]
            purpose: string
            profile: string
            webhook?: string
            days: number
          },
        ) => {
          const added = await addConsumer(config(), name, { ...options, webhook: options.webhook ?? null })
          tell(added, options, () =>
            table(
              ['consumer', 'client secret', 'webhook secret'],
              [[added.consumer, added.clientSecret, added.webhookSecret ?? '']],
            ),
          )
        },
      ),
    )
}

function addItemCommands(program: Command): void {
  program
    .command('item')
    .description('服务事项 / Items of the published service list')
    .command('publish')
    .description('发布服务事项 / Publish an item, or its new term')
    .argument('<code>')
    .requiredOption('--name <name>')
    .requiredOption('--county <code>', 'six digits')
    .requiredOption('--approval <number>', '批准文号')
    .option('--from <day>', 'yyyy-MM-dd', '2024-10-01')
    .option('--to <day>', 'the first day on which it holds no more')
    .option('--json')
    .action(
      guarded(
        async (
          code: string,
          given: JsonOption & { name: string; county: string; approval: string; from: string; to?: string },
        ) => {
          const { name, county, approval: approvalNo, from: validFrom, to: validTo = null } = given
          const published = await publishItem(config(), { code, name, county, approvalNo, validFrom, validTo })
          tell(published, given, () => `${published.item} published`)
        },
      ),
    )
}

/** What an operator does about sharing at the command line: consumers and the service list. */
export function addSharingCommands(program: Command): void {
  addConsumerCommands(program)
  addItemCommands(program)
}
