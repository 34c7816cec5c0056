#!/usr/bin/env -S node --max-semi-space-size=32 --max-old-space-size=1024
import closeWithGrace from 'close-with-grace'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { fileURLToPath } from 'node:url'
import { addAuditCommands } from './cli-audit.ts'
import { addAccountCommands } from './cli-accounts.ts'
import { addProveCommand } from './cli-proofs.ts'
import { addManifestCommands } from './cli-feeds.ts'
import { addKeyCommands } from './cli-keys.ts'
import { addRunCommands } from './cli-runs.ts'
import { addSharingCommands } from './cli-sharing.ts'
import { config, guarded, NO, table, tell, WRONG, type JsonOption } from './cli-output.ts'
import { checkEverything, showFeeds } from './commands.ts'
import { examine } from './doctor.ts'
import { migrateOnly, version } from './installation.ts'
import { roles, start, usualRoles, type Role } from './main.ts'

function parseRole(value: string): Role {
  const role = roles.find((one) => one === value)
  if (role === undefined) throw new InvalidArgumentError(`choose from ${roles.join(', ')}`)
  return role
}

const program = new Command('gridbridge')
  .description('网格数据桥 / Middleware between departments and the grid platform')
  .version(version)
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text.replace(/\n?$/, '\n')) })

program
  .command('start')
  .description('启动服务 / Start the product')
  .option(
    '--role <role...>',
    `${roles.join(' | ')}; all of them when not given, but signer beside a city's database`,
    (value: string, before: Role[] | undefined) => [...(before ?? []), parseRole(value)],
  )
  .option('--json', 'one JSON line when it listens')
  .action(
    guarded(async (options: { readonly role?: readonly Role[] }) => {
      const settings = config()
      const stop = await start(settings, options.role ?? usualRoles(settings))
      closeWithGrace({ delay: 25_000 }, async () => stop())
    }),
  )

program
  .command('demo')
  .description('演示全流程 / Play the whole flow on a synthetic city')
  .option('--json', 'one JSON object as the last line')
  .option('--exit', 'end when everything was delivered')
  .option('--residents <n>', 'how many residents', '20000')
  .option('--seed <n>', 'seed of the city', '1')
  .option('--data <directory>', 'where everything is kept; emptied first')
  .option('--platform-slow <ms>', 'how much later than its ledger the platform answers', '0')
  .action(
    guarded(async (options: Readonly<Record<string, string | boolean | undefined>>) => {
      const { playDemo } = await import('../demo/main.ts')
      process.exitCode = await playDemo(options)
    }),
  )

program
  .command('check')
  .description('检查模式与接入清单 / Check every schema and manifest')
  .argument('[connectors]', 'folder of connectors', fileURLToPath(new URL('../connectors/', import.meta.url)))
  .option('--json')
  .action(
    guarded((connectors: string, options: JsonOption) => {
      const result = checkEverything(connectors)
      tell(result, options, () =>
        [
          ...result.faults,
          `${result.datasets.length} datasets, ${result.manifests} manifests with ${result.tests} tests, ${result.faults.length} faults`,
        ].join('\n'),
      )
      if (result.faults.length > 0) process.exitCode = WRONG
    }),
  )

const feed = program.command('feed').description('数据接入 / Feeds')

feed
  .command('list')
  .description('列出数据接入 / List feeds')
  .option('--json')
  .action(
    guarded(async (options: JsonOption) => {
      const feeds = await showFeeds(config())
      tell(feeds, options, () =>
        table(
          ['code', 'department', 'dataset', 'state', 'cron'],
          feeds.map((one) => Object.values(one)),
        ),
      )
    }),
  )

addRunCommands(program, feed)
addProveCommand(feed)
addManifestCommands(feed)

addSharingCommands(program)
addAccountCommands(program)

addAuditCommands(program)
addKeyCommands(program)

program
  .command('migrate')
  .description('升级数据库 / Bring the database to this version')
  .option('--json')
  .action(
    guarded(async (options: JsonOption) => {
      const applied = await migrateOnly(config())
      tell({ applied }, options, () => (applied.length === 0 ? 'nothing to do' : applied.join('\n')))
    }),
  )

program
  .command('doctor')
  .description('体检 / Look at everything the product needs')
  .option('--json')
  .action(
    guarded(async (options: JsonOption) => {
      const findings = await examine(config())
      tell(findings, options, () =>
        table(
          ['check', 'ok', 'detail'],
          findings.map((finding) => [finding.check, finding.ok ? 'yes' : 'NO', finding.detail]),
        ),
      )
      if (findings.some((finding) => !finding.ok)) process.exitCode = NO
    }),
  )

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode === 0 ? 0 : WRONG
}
