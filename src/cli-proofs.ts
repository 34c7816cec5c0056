import { InvalidArgumentError, type Command } from 'commander'
import { config, guarded, NO, tell, type JsonOption } from './cli-output.ts'
import { writeProof } from './ingest/prove-report.ts'
import { proveFeedNow } from './proof-commands.ts'

function wholeSeconds(value: string): number {
  const seconds = Number(value)
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= 3600) return seconds
  throw new InvalidArgumentError('give whole seconds from 1 to 3600')
}

/** `gridbridge feed prove` */
export function addProveCommand(feed: Command): void {
  feed
    .command('prove')
    .description('上线证明 / Read the department’s system and judge whether its feed can lose rows: exit 1 when it can')
    .argument('<feed>', 'feed code')
    .option('--seconds <n>', 'about how long to read', wholeSeconds, 60)
    .option('--json')
    .action(
      guarded(async (code: string, options: JsonOption & { readonly seconds: number }) => {
        const proof = await proveFeedNow(config(), code, options.seconds)
        tell(proof, options, () => writeProof(proof))
        if (!proof.ok) process.exitCode = NO
      }),
    )
}
