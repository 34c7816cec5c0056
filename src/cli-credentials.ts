import type { Command } from 'commander'
import { config, guarded, table, tell, type JsonOption } from './cli-output.ts'
import { rotateCredential, showCredentials } from './credential-commands.ts'

interface RotateOption extends JsonOption {
  readonly kind: string
  readonly digest: string
  readonly retire?: string
}

/** `gridbridge consumer rotate` and `gridbridge consumer credentials` */
export function addCredentialCommands(consumer: Command): void {
  consumer
    .command('rotate')
    .description('轮换密钥 / Make the next version of a secret, shown once; at most two live')
    .argument('<name>')
    .option('--kind <kind>', 'secret (for tokens) | signing (for signed requests)', 'secret')
    .option('--digest <hash>', 'of a signing secret: sm3 | sha256', 'sm3')
    .option('--retire <fingerprint>', 'end this version in the same moment, with its tokens')
    .option('--json')
    .action(
      guarded(async (name: string, options: RotateOption) => {
        const made = await rotateCredential(config(), name, { ...options, retire: options.retire ?? null })
        tell(made, options, () =>
          table(
            ['consumer', 'kind', 'fingerprint', 'secret'],
            [[made.consumer, made.kind, made.fingerprint, made.secret]],
          ),
        )
      }),
    )
  consumer
    .command('credentials')
    .description('列出凭证 / List what a consumer proves itself with; no secret is shown')
    .argument('<name>')
    .option('--json')
    .action(
      guarded(async (name: string, options: JsonOption) => {
        const credentials = await showCredentials(config(), name)
        const words = (moment: Date | null): string => moment?.toISOString() ?? ''
        tell(credentials, options, () =>
          table(
            ['kind', 'fingerprint', 'created', 'last used', 'retired'],
            credentials.map(({ kind, fingerprint, createdAt, lastUsedAt, retiredAt }) => [
              kind,
              fingerprint,
              words(createdAt),
              words(lastUsedAt),
              words(retiredAt),
            ]),
          ),
        )
      }),
    )
}
